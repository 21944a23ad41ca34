// Runs a script in MicroPython's newest release: npm's @micropython/micropython-webassembly-pyscript.
import fs from "node:fs";
import { loadMicroPython } from "../../testdata/npm/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs";

const micropython = await loadMicroPython({ heapsize: 4 << 20, linebuffer: true, stdout: (line) => process.stdout.write(line + "\n") });
try {
  micropython.runPython(fs.readFileSync(process.argv[2], "utf8"));
} catch (e) {
  console.error(String(e.message ?? e));
  process.exit(1);
}
