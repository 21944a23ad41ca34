// Compiles each .py below the first folder to .mpy below the second, with the compiler of npm's @pybricks/mpy-cross-v6, and prints the sizes.
const fs = require("fs");
const path = require("path");
// The compiler reads its WebAssembly from a file, where there is no fetch that would take the path for a URL.
delete globalThis.fetch;
const { compile } = require(path.join(__dirname, "../testdata/npm/node_modules/@pybricks/mpy-cross-v6"));

const { shorten } = require("./mpy-names.js");

process.setMaxListeners(0); // the compiler adds one for each file

async function main() {
  const [from, to] = process.argv.slice(2);
  const walk = (dir) =>
    fs.readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
      e.isDirectory() ? walk(path.join(dir, e.name)) : e.name.endsWith(".py") ? [path.join(dir, e.name)] : []);
  let texts = {};
  for (const file of walk(from).sort()) texts[path.relative(from, file)] = fs.readFileSync(file, "utf8");
  // The tests' stand-ins are no package: their names are those of the firmware.
  if ("moult/__init__.py" in texts) texts = shorten(texts, ["moult", "moult.verbs", "moult_alarm", "moult_boot", "moult_journal", "moult_slots"]);
  for (const [name, text] of Object.entries(texts)) {
    // -O3 leaves assertions and line numbers out: a board has no room for them. The file goes by a name that its module has anyway.
    const { status, mpy, err } = await compile(path.basename(name), text, ["-O3", "-s", path.basename(name, ".py")]);
    if (status !== 0 || !mpy) throw new Error(`${name}: ${err}\n${text}`);
    const out = path.join(to, name.replace(/\.py$/, ".mpy"));
    fs.mkdirSync(path.dirname(out), { recursive: true });
    fs.writeFileSync(out, mpy);
    console.log(`${mpy.length}\t${name}`);
  }
}

main().catch((e) => {
  console.error(String(e));
  process.exit(1);
});
