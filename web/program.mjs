// Runs compiled programs without a canvas: fetch a folder, choose kernels, upload, dispatch, read.
//
//   const device = await programDevice(await navigator.gpu.requestAdapter());
//   const program = await loadProgram(device, new URL("program/", location.href));
//   const { y } = await program.run({ x: new Float32Array(192) });

import { preparePlan, runPlan } from "./compute.mjs";
import { fetchBytes } from "./loading.mjs";
import { fetchProgram } from "./program-files.mjs";
import { eligible, programPlan } from "./program-plan.mjs";
import { Bench, keepChoices, knownChoices, nameOf, tasksOf, tune } from "./tuning.mjs";

/**
 * @typedef {import("./program-plan.mjs").Program} Program
 * @typedef {import("./program-plan.mjs").Tensor} Tensor
 * @typedef {Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>} Elements
 */

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

/** Fetch a program's folder, choose and compile its kernels, upload its weights.
 * @param {GPUDevice} device Of `programDevice`, or one with limits and features to the same end.
 * @param {URL} url Of the folder, with a slash at its end.
 * @param {{chosen?: Record<number, number>, tuneSeconds?: number,
 *   sample?: {inputs?: Record<string, ArrayLike<number>>, counts?: Record<string, number>}}} options
 *   `chosen`: candidate by dispatch, instead of tuning. `tuneSeconds`: for measuring kernels that
 *   were never measured here; 0 for none. `sample`: what to measure with, zeros if left out; a
 *   program with counts is only tuned with some.
 * @returns {Promise<LoadedProgram>} */
export async function loadProgram(device, url, { chosen, tuneSeconds = 2, sample = {} } = {}) {
  const { program, shaders } = await fetchProgram(url);
  const textures = Object.keys(program.textures ?? {});
  if (textures.length) {
    throw new Error(`${program.name}: reads textures (${textures.join(", ")}) that a scene draws; ` +
      "it cannot run by itself");
  }
  const files = Promise.all(program.buffers.filter(({ file }) => file).map(
    async ({ name, file, size_bytes }) => /** @type {[string, Uint8Array<ArrayBuffer>]} */ (
      [name, await fetchBytes(new URL(/** @type {string} */ (file), url), () => {}, size_bytes)])));
  files.catch(() => {}); // told where it is waited for
  const usable = program.dispatches.map((item) => eligible(program, item, shaders, device));
  const candidates = (/** @type {Record<number, number>} */ by) =>
    program.dispatches.map((item, i) => item.candidates[usable[i].includes(by[i]) ? by[i] : usable[i][0]]);
  const planOf = (/** @type {Record<number, number>} */ by) =>
    programPlan(program, shaders, candidates(by));

  const adapter = nameOf(device);
  const tasks = chosen ? [] : await tasksOf(program, shaders, usable);
  const known = tasks.length ? await knownChoices(adapter, tasks) : {};
  const byTask = (/** @type {Record<string, number>} */ choices) =>
    Object.fromEntries(tasks.flatMap(({ key, dispatches }) => dispatches.map((i) => [i, choices[key]])));
  const executor = await preparePlan(device, planOf(chosen ?? byTask(known)), await files);
  const loaded = new LoadedProgram(program, executor);
  const measurable = Object.keys(program.counts).length === 0 || sample.counts;
  const open = tasks.filter(({ key, candidates }) => !candidates.includes(known[key]));
  if (!open.length || tuneSeconds <= 0 || !measurable) return loaded;

  await loaded.run(sample.inputs ?? {}, sample.counts);
  const bench = new Bench(program, shaders, executor);
  const choices = await tune(
    tasks, known, bench.measure, () => performance.now() / 1000, tuneSeconds);
  bench.destroy();
  await keepChoices(adapter, choices);
  loaded.executor = await preparePlan(device, planOf(byTask(choices)), [], executor.buffers);
  return loaded;
}
