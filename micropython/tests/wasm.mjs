// Runs a script in a MicroPython of npm's: wasm.mjs PACKAGE SCRIPT.
import fs from "node:fs";
import path from "node:path";

const [name, script] = process.argv.slice(2).map((p) => path.resolve(p));
const text = fs.readFileSync(script, "utf8");
const { loadMicroPython } = await import(path.join(name, "micropython.mjs"));
const micropython = await loadMicroPython({ heapsize: 8 << 20, linebuffer: true, stdout: (line) => process.stdout.write(line + "\n") });
try {
  micropython.runPython(text);
} catch (e) {
  console.error(String(e.message ?? e));
  process.exit(1);
}
