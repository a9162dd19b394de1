// What comes from outside before a frame can be drawn: files with progress, Python, the GPU's device.

import { fromSnapshot } from "./snapshot.mjs";

/** A failure that a visitor can read, with a code that the element knows. */
export class Failure extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {URL} url @param {AbortSignal} [signal] */
async function get(url, signal) {
  let response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    throw new Failure("download", `${url.href} could not be loaded (${error}).`);
  }
  if (!response.ok) {
    throw new Failure("download", `${url.href} could not be loaded (status ${response.status}).`);
  }
  return response;
}

/** @param {URL} url @param {AbortSignal} [signal] */
export async function fetchText(url, signal) {
  const response = await get(url, signal);
  try {
    return await response.text();
  } catch (error) {
    throw new Failure("download", `${url.href} broke off (${error}).`);
  }
}

/**
 * Bytes of a file, reporting each piece as it comes.
 * @param {URL} url
 * @param {(bytes: number) => void} report Bytes of the piece that came.
 * @param {number} [expected] Size in bytes that the file must have.
 * @param {AbortSignal} [signal] Nobody waits for it any more.
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function fetchBytes(url, report, expected, signal) {
  const response = await get(url, signal);
  const wrong = (/** @type {number} */ size) =>
    new Failure("download", `${url.href} has ${size} bytes; its scene says ${expected}.`);
  if (expected === undefined || !response.body) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    report(bytes.length);
    return bytes;
  }
  const bytes = new Uint8Array(expected);
  let filled = 0;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > expected) throw wrong(filled + value.length);
      bytes.set(value, filled);
      filled += value.length;
      report(value.length);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error instanceof Failure
      ? error
      : new Failure("download", `${url.href} broke off after ${filled} bytes (${error}).`);
  }
  if (filled !== expected) throw wrong(filled);
  return bytes;
}

/**
 * Python with the engine in it: from the snapshot that the build made, or imported anew where that
 * cannot be (Pyodide's own server has none; iOS calls functions in another way).
 * @param {string} base URL of the modules.
 */
export async function startPython(base) {
  const config = JSON.parse(await fetchText(new URL("config.json", base)));
  const home = new URL(config.pyodide, base);
  const load = import(new URL("pyodide.mjs", home).href).then((module) => module.loadPyodide);
  const options = { indexURL: home.href };
  if (!config.snapshot) return withEngine(await (await load)(options), base);
  const file = unpacked(new URL(config.snapshot, home));
  file.catch(() => {}); // told below
  const lockFileContents = { info: config.info, packages: {} };
  const stdLibURL = (/** @type {string} */ name) => new URL(name, home).href;
  try {
    return await (await load)({
      ...options, lockFileContents, stdLibURL: stdLibURL(config.empty),
      ...fromSnapshot(home, config.memory_bytes, file),
    });
  } catch (error) {
    console.warn(`Python starts slowly: its snapshot cannot be used here (${error}).`);
  }
  const python = await (await load)({ ...options, lockFileContents, stdLibURL: stdLibURL(config.library) });
  return withEngine(python, base);
}

/** A file that may be gzip; a server that sends its Brotli sibling sends the content. @param {URL} url */
async function unpacked(url) {
  const file = await (await get(url)).arrayBuffer();
  const [first, second] = new Uint8Array(file, 0, 2);
  if (first !== 0x1f || second !== 0x8b) return file;
  const stream = new Blob([file]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** Give Python the engine's sources. @param {any} python @param {string} base */
async function withEngine(python, base) {
  const archive = await fetchBytes(new URL("engine.zip", base), () => {});
  python.unpackArchive(archive, "zip", { extractDir: "/engine" });
  python.runPython("import sys; sys.path.insert(0, '/engine')");
  return python;
}

const LIMITS = /** @type {const} */ (["maxBufferSize", "maxStorageBufferBindingSize"]);
/** What plans use where it is there; any scene may be shown on the device later. */
const FEATURES = ["timestamp-query", "float32-blendable", "shader-f16", "subgroups"];

export const openDevice = {
  /** @returns {Promise<GPUAdapter>} */
  async adapter() {
    if (!navigator.gpu) throw new Failure("no-webgpu", "This browser has no WebGPU.");
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw new Failure("no-adapter", "This browser found no GPU that it can use.");
    return adapter;
  },

  /** What the plan depends on. @param {GPUAdapter} adapter */
  describe(adapter) {
    const limits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
    const size = adapter.features.has("subgroups") ? adapter.info.subgroupMinSize ?? 0 : 0;
    const { vendor, architecture, isFallbackAdapter } = adapter.info;
    const software = isFallbackAdapter || /swiftshader|llvmpipe|warp/i.test(`${vendor} ${architecture}`);
    return {
      limits,
      subgroup_size: size,
      software,
      float32_blendable: adapter.features.has("float32-blendable"),
      shader_f16: adapter.features.has("shader-f16"),
    };
  },

  /** With all that plans may use of the adapter. @param {GPUAdapter} adapter */
  device(adapter) {
    const there = FEATURES.filter((name) => adapter.features.has(name));
    return adapter.requestDevice({
      label: "vitrine",
      requiredFeatures: /** @type {GPUFeatureName[]} */ (there),
      requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
    });
  },
};
