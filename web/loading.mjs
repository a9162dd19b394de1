// What comes from outside before a frame can be drawn: files with progress, and the GPU's device.

/** A failure that a visitor can read, with a code that the element knows. */
export class Failure extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {URL} url */
async function get(url) {
  let response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new Failure("download", `${url.href} could not be loaded (${error}).`);
  }
  if (!response.ok) {
    throw new Failure("download", `${url.href} could not be loaded (status ${response.status}).`);
  }
  return response;
}

/** @param {URL} url */
export async function fetchText(url) {
  return (await get(url)).text();
}

/**
 * Bytes of a file, reporting each piece as it comes.
 * @param {URL} url
 * @param {(bytes: number) => void} report Bytes of the piece that came.
 * @param {number} [expected] Size in bytes that the file must have.
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function fetchBytes(url, report, expected) {
  const response = await get(url);
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
 * Pyodide with the engine in it.
 * @param {string} base URL of the modules.
 */
export async function startPython(base) {
  const config = JSON.parse(await fetchText(new URL("config.json", base)));
  const home = new URL(config.pyodide, base);
  const archive = fetchBytes(new URL("engine.zip", base), () => {});
  const { loadPyodide } = await import(new URL("pyodide.mjs", home).href);
  const python = await loadPyodide({ indexURL: home.href });
  python.unpackArchive(await archive, "zip", { extractDir: "/engine" });
  python.runPython("import sys; sys.path.insert(0, '/engine')");
  return python;
}

const LIMITS = /** @type {const} */ (["maxBufferSize", "maxStorageBufferBindingSize"]);
/** Features that a filter may be the first to need. */
const OPTIONAL = ["float32-blendable", "shader-f16", "subgroups"];

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

  /**
   * @param {GPUAdapter} adapter @param {Record<string, number>} limits
   * @param {string[]} features That the plan needs; times are taken where they can be.
   * @param {boolean} open Whether plans follow that may need more: all that the adapter has.
   */
  device(adapter, limits, features, open = false) {
    const wanted = ["timestamp-query", ...(open ? OPTIONAL : [])];
    const there = wanted.filter((name) => adapter.features.has(name));
    const requiredFeatures = /** @type {GPUFeatureName[]} */ ([...new Set([...features, ...there])]);
    const most = open ? Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])) : {};
    const requiredLimits = { ...limits, ...most };
    return adapter.requestDevice({ label: "vitrine", requiredFeatures, requiredLimits });
  },
};
