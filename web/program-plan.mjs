// A program's description to a plan for the executor; the page's half of pyengine/program/part.py.

/**
 * @typedef {{name: string, shape: number[], dtype: string, storage: "f32" | "i32" | "u32",
 *   buffer: string}} Tensor
 * @typedef {import("./executor.mjs").Indirect} Indirect
 * @typedef {{pipeline: string, workgroups: number[] | Indirect, prefer: string}} Candidate
 * @typedef {import("./executor.mjs").Range | {texture: string}} Binding
 * @typedef {{label: string, bindings: Binding[], candidates: Candidate[]}} ProgramDispatch
 * @typedef {{vitrine_program: number, name: string, inputs: Tensor[], outputs: Tensor[],
 *   counts: Record<string, string>, shaders: Record<string, string>,
 *   buffers: {name: string, size_bytes: number, file: string | null}[],
 *   pipelines: import("./executor.mjs").ComputePlan[], dispatches: ProgramDispatch[],
 *   textures?: Record<string, [number, number]>, subgroups: string[]}} Program
 */

const HALF = /^\s*enable\s[^;]*\bf16\b/m;

/** Candidates of a dispatch that the device can run, best first when nothing was tuned; as
 * `eligible` of pyengine/program/part.py.
 * @param {Program} program @param {ProgramDispatch} dispatch
 * @param {Record<string, string>} shaders @param {GPUDevice} device @returns {number[]} */
export function eligible(program, dispatch, shaders, device) {
  const { vendor, architecture, isFallbackAdapter } = device.adapterInfo;
  const software =
    isFallbackAdapter || /swiftshader|llvmpipe|warp/i.test(`${vendor} ${architecture}`);
  const usable = dispatch.candidates.map((_, index) => index).filter((index) => {
    const { shader } = pipelineOf(program, dispatch.candidates[index]);
    return (device.features.has("subgroups") || !program.subgroups.includes(shader)) &&
      (device.features.has("shader-f16") || !HALF.test(shaders[shader]));
  });
  if (!usable.length) throw new Error(`${program.name}: ${dispatch.label}: no kernel for this GPU`);
  const liked = ["any", software ? "software" : "gpu"];
  const rank = (/** @type {number} */ index) =>
    liked.includes(dispatch.candidates[index].prefer) ? 0 : 1;
  return usable.sort((a, b) => rank(a) - rank(b) || a - b);
}

/** @param {Program} program @param {Candidate} candidate */
export function pipelineOf(program, { pipeline }) {
  const found = program.pipelines.find(({ name }) => name === pipeline);
  if (!found) throw new Error(`${program.name}: there is no pipeline ${pipeline}`);
  return found;
}

/** The plan of a program: one compute pass.
 * @param {Program} program @param {Record<string, string>} shaders
 * @param {Candidate[]} chosen One of each dispatch.
 * @returns {import("./executor.mjs").Plan} */
export function programPlan(program, shaders, chosen) {
  const all = [...new Set(chosen.map((candidate) => pipelineOf(program, candidate)))];
  const names = new Set(all.map(({ shader }) => shader));
  const every = program.dispatches.flatMap(({ candidates }) => candidates);
  const indirect = new Set(every.map(({ workgroups }) =>
    Array.isArray(workgroups) ? "" : workgroups.buffer));
  return {
    buffers: program.buffers.map(({ name, size_bytes }) => ({
      name,
      size_bytes,
      usage: ["storage", "upload", "readback", ...(indirect.has(name) ? ["indirect"] : [])],
      source: null,
    })),
    textures: [],
    shaders: Object.fromEntries([...names].map((name) => [name, shaders[name]])),
    compute: all,
    render: [],
    schedules: {
      program: [{
        label: program.name,
        dispatches: program.dispatches.map(({ bindings }, index) =>
          ({
            bindings: bindings.map((part) => "texture" in part ? part.texture : part),
            pipeline: chosen[index].pipeline,
            workgroups: chosen[index].workgroups,
          })),
      }],
    },
    subgroups: program.subgroups.filter((name) => names.has(name)),
    needs: [],
  };
}
