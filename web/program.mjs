// Runs compiled programs without a canvas: fetch a folder, choose kernels, upload, dispatch, read.
//
//   const device = await programDevice(await navigator.gpu.requestAdapter());
//   const program = await loadProgram(device, new URL("program/", location.href));
//   const { y } = await program.run({ x: new Float32Array(192) });

import { preparePlan, runPlan } from "./compute.mjs";
import { fetchBytes, fetchText } from "./loading.mjs";
import { eligible, programPlan } from "./program-plan.mjs";

/**
 * @typedef {import("./program-plan.mjs").Program} Program
 * @typedef {import("./program-plan.mjs").Tensor} Tensor
 * @typedef {Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>} Elements
 */

const VERSION = 1;
const ELEMENTS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array };
const OPTIONAL = /** @type {const} */ (["subgroups", "shader-f16", "timestamp-query"]);
const RAISED = /** @type {const} */ (["maxBufferSize", "maxStorageBufferBindingSize"]);

/** A device with the largest buffers and all that kernels may use of an adapter.
 * @param {GPUAdapter} adapter */
export function programDevice(adapter) {
  return adapter.requestDevice({
    label: "vitrine.program",
    requiredFeatures: OPTIONAL.filter((name) => adapter.features.has(name)),
    requiredLimits: Object.fromEntries(RAISED.map((name) => [name, adapter.limits[name]])),
  });
}

const sizeOf = (/** @type {Tensor} */ { shape }) => shape.reduce((all, n) => all * n, 1);

/** A program that is compiled and uploaded. */
export class LoadedProgram {
  /** @param {Program} program @param {import("./executor.mjs").Executor} executor */
  constructor(program, executor) {
    this.program = program;
    this.executor = executor;
  }

  /**
   * Run it: arrays in, arrays out. float16, bfloat16 and float64 are Float32Array, bool is a
   * Uint32Array of 0 and 1, other integers are 32 bits wide.
   * @param {Record<string, ArrayLike<number>>} inputs By name; what is left out stays as it is.
   * @param {Record<string, number>} counts Live counts by symbol.
   * @returns {Promise<Record<string, Elements>>}
   */
  async run(inputs, counts = {}) {
    const { program, executor } = this;
    for (const [name, values] of Object.entries(inputs)) {
      const tensor = program.inputs.find((input) => input.name === name);
      if (!tensor) throw new Error(`${program.name}: there is no input ${name}`);
      if (values.length !== sizeOf(tensor)) {
        throw new Error(`${program.name}: input ${name} has ${sizeOf(tensor)} elements, ` +
          `got ${values.length}`);
      }
      const elements = new ELEMENTS[tensor.storage](values);
      executor.write(tensor.buffer, 0, new Uint8Array(elements.buffer));
    }
    for (const [symbol, count] of Object.entries(counts)) {
      if (!(symbol in program.counts)) throw new Error(`${program.name}: no count ${symbol}`);
      executor.write(program.counts[symbol], 0, new Uint8Array(Uint32Array.of(count).buffer));
    }
    const buffers = await runPlan(
      executor, program.outputs.map((tensor) => [tensor.buffer, 4 * sizeOf(tensor)]));
    return Object.fromEntries(program.outputs.map(({ name, storage }, index) =>
      [name, new ELEMENTS[storage](buffers[index])]));
  }

  /** Free its buffers; the device stays. */
  destroy() {
    this.executor.destroy();
  }
}

/** Fetch program.json and the kernels.
 * @param {URL} url Of the folder, with a slash at its end.
 * @returns {Promise<{program: Program, shaders: Record<string, string>}>} */
export async function fetchProgram(url) {
  const program = JSON.parse(await fetchText(new URL("program.json", url)));
  if (program.vitrine_program !== VERSION) {
    throw new Error(`${url.href}: wanted a program of version ${VERSION}; compile it again`);
  }
  const shaders = Object.fromEntries(await Promise.all(
    Object.entries(/** @type {Record<string, string>} */ (program.shaders)).map(
      async ([name, file]) => [name, await fetchText(new URL(file, url))])));
  return { program, shaders };
}

/** Fetch a program's folder, compile its kernels and upload its weights.
 * @param {GPUDevice} device Of `programDevice`, or one with limits and features to the same end.
 * @param {URL} url Of the folder, with a slash at its end.
 * @param {Record<number, number>} chosen Candidate by dispatch, where tuning chose one.
 * @returns {Promise<LoadedProgram>} */
export async function loadProgram(device, url, chosen = {}) {
  const { program, shaders } = await fetchProgram(url);
  const candidates = program.dispatches.map((dispatch, index) => {
    const usable = eligible(program, dispatch, shaders, device);
    return dispatch.candidates[usable.includes(chosen[index]) ? chosen[index] : usable[0]];
  });
  const files = await Promise.all(program.buffers.filter(({ file }) => file).map(
    async ({ name, file, size_bytes }) => /** @type {[string, Uint8Array<ArrayBuffer>]} */ (
      [name, await fetchBytes(new URL(/** @type {string} */ (file), url), () => {}, size_bytes)])));
  const plan = programPlan(program, shaders, candidates);
  return new LoadedProgram(program, await preparePlan(device, plan, files));
}
