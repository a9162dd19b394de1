// What the pages of benches ask of WebGPU: how many commands some work encodes, and an adapter's name.

const COUNTED = {
  dispatches: ["GPUComputePassEncoder", ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"]],
  draws: ["GPURenderPassEncoder", ["draw", "drawIndirect", "drawIndexed", "drawIndexedIndirect"]],
};

/** Dispatches and draws that are encoded while `work` runs.
 * @returns {Promise<{dispatches: number, draws: number}>} */
export async function commandsOf(work) {
  const counts = { dispatches: 0, draws: 0 };
  const undo = [];
  for (const [kind, [encoder, names]] of Object.entries(COUNTED)) {
    const prototype = globalThis[encoder]?.prototype;
    for (const name of prototype ? names : []) {
      const original = prototype[name];
      prototype[name] = function (...sizes) {
        counts[kind] += 1;
        return original.apply(this, sizes);
      };
      undo.push(() => { prototype[name] = original; });
    }
  }
  try {
    await work();
  } finally {
    undo.forEach((put) => put());
  }
  return counts;
}

/** Name of a device's adapter, as it gives it itself. */
export const adapterName = ({ adapterInfo: { vendor, architecture, description } }) =>
  [vendor, architecture, description].filter(Boolean).join(" ");
