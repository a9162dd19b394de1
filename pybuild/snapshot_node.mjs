// Run by pybuild/snapshot.py: node snapshot_node.mjs CORE ENGINE OUT LAYOUT, four paths. Makes in OUT
//   library.zip    CORE's standard library as bytecode, unless it is there
//   snapshot.raw   Python's memory with the engine imported, in the layout of LAYOUT, web/snapshot.mjs
//   modules.json   which files of library.zip are in it

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

process.on("uncaughtException", (error) => {
  console.error(error.message); // without the line of source, which is Pyodide's, a megabyte long
  process.exit(1);
});

const [core, engine, out, layout] = process.argv.slice(2);
const { difference } = await import(pathToFileURL(layout).href);
const { loadPyodide } = await import(pathToFileURL(join(core, "pyodide.mjs")).href);
const { default: createModule } = await import(pathToFileURL(join(core, "pyodide.asm.mjs")).href);
const { info } = JSON.parse(readFileSync(join(core, "pyodide-lock.json"), "utf8"));
const inside = readFileSync(new URL("snapshot_inside.py", import.meta.url), "utf8");
/** No columns in tracebacks: a fifth of the bytecode. The same order of sets in every build. */
const env = { PYTHONNODEBUGRANGES: "1", PYTHONHASHSEED: "0" };
const LIBRARY = "/lib/python314.zip";

/** Python from a standard library. @param {string} library @param {object} [more] */
async function start(library, more = {}) {
  const python = await loadPyodide({
    indexURL: `${core}/`, stdLibURL: library, env, lockFileContents: { info, packages: {} }, ...more,
  });
  python.FS.writeFile("/inside.py", inside);
  return python;
}

/** Call a function of snapshot_inside.py and forget that file.
 * @param {any} python @param {string} name @param {string[]} given */
function call(python, name, ...given) {
  return python.runPython(`
import sys
sys.path.insert(0, "/")
import inside
sys.path.remove("/")
del sys.modules["inside"]
answer = inside.${name}(${given.map((text) => JSON.stringify(text)).join(", ")})
del inside
answer`);
}

/** @param {any} python @param {string} from @param {string} to */
function compiled(python, from, to) {
  python.FS.writeFile("/source.zip", new Uint8Array(readFileSync(from)));
  call(python, "compile_archive", "/source.zip", "/target.zip");
  writeFileSync(to, python.FS.readFile("/target.zip"));
}

const library = join(out, "library.zip");
if (!existsSync(library)) {
  const source = join(core, "python_stdlib.zip");
  compiled(await start(source), source, library);
}
/** Options to start Python with, that keep the memory before its start.
 * @returns {{before: Uint8Array, module: any, options: object}} */
function watched() {
  /** @type {any} */
  const seen = {};
  const preRun = (/** @type {any} */ module) => { seen.module = module; };
  seen.options = {
    createPyodideModule: (/** @type {any} */ settings) => createModule({
      ...settings,
      preRun: [preRun, ...settings.preRun],
      onRuntimeInitialized: () => { seen.before = seen.module.HEAPU8.slice(); },
    }),
  };
  return seen;
}

const bytecode = join(out, "engine.zip");
const other = watched();
compiled(await start(library, { ...other.options, _sysExecutable: "another" }), engine, bytecode);

const main = watched();
const python = await start(library, { ...main.options, _makeSnapshot: true });
const archive = new Uint8Array(readFileSync(bytecode));
python.FS.writeFile("/engine.zip", archive);
python.unpackArchive(archive, "zip", { extractDir: "/engine" });
writeFileSync(join(out, "modules.json"), call(python, "prepare", "/engine", LIBRARY));
python.runPython("del answer, sys; __import__('gc').collect()");
wipe(main.module);
const state = python._api.serializeHiwireState();
const after = main.module.HEAPU8.slice();
const file = difference(main.before, other.before, after, { state, info });
writeFileSync(join(out, "snapshot.raw"), file);

/** Zeros over what malloc has free. @param {any} made */
function wipe(made) {
  const top = made._sbrk(0);
  /** @type {number[]} */
  const held = [];
  for (let size = 1 << 18; size >= 16; size >>= 1) {
    for (const bytes of [1.5 * size, size]) {
      for (;;) {
        const at = made._malloc(bytes);
        if (!at) break;
        if (at + bytes > top) { // nothing of this size was free
          made._free(at);
          break;
        }
        made.HEAPU8.fill(0, at, at + bytes);
        held.push(at);
      }
    }
  }
  for (const at of held) made._free(at);
}
