// Runs a script in a MicroPython of npm's: wasm.mjs PACKAGE SCRIPT [FROM=TO…]. There is no file system below it: each file or folder is
// copied into its own.
import fs from "node:fs";
import path from "node:path";

const [name, script] = process.argv.slice(2, 4).map((p) => path.resolve(p));
const text = fs.readFileSync(script, "utf8");
const { loadMicroPython } = await import(path.join(name, "micropython.mjs"));
const micropython = await loadMicroPython({
  url: path.join(name, "micropython.wasm"), // until 1.22 it is looked for in the current folder
  heapsize: 2 << 20,
  linebuffer: true,
  stdout: (line) => process.stdout.write(line + "\n"),
});
const copy = (from, to) => {
  if (fs.statSync(from).isDirectory()) {
    for (const entry of fs.readdirSync(from)) copy(path.join(from, entry), path.posix.join(to, entry));
  } else {
    micropython.FS.mkdirTree(path.posix.dirname(to));
    micropython.FS.writeFile(to, fs.readFileSync(from));
  }
};
for (const pair of process.argv.slice(4)) copy(...pair.split("="));
try {
  micropython.runPython(text);
} catch (e) {
  console.error(String(e.message ?? e));
  process.exit(1);
}
