// Plans that draw nothing: build on a device, replay, read back; a fault is thrown with its cause.

import { Executor } from "./executor.mjs";

/** Do something on the device; a fault of it is thrown, with what the compiler said.
 * @template T @param {GPUDevice} device @param {() => T | Promise<T>} work @returns {Promise<T>} */
export async function checked(device, work) {
  const filters = /** @type {const} */ (["validation", "out-of-memory", "internal"]);
  for (const filter of filters) device.pushErrorScope(filter);
  /** @type {Promise<T>} */
  const made = new Promise((resolve) => resolve(work()));
  const scopes = filters.map(() => device.popErrorScope());
  made.catch(() => {}); // told by the scope, in more words
  const fault = (await Promise.all(scopes)).find(Boolean);
  if (fault) throw new Error(fault.message);
  return made;
}

/** Compile a plan that draws nothing, and upload what its buffers hold at the start.
 * @param {GPUDevice} device @param {import("./executor.mjs").Plan} plan
 * @param {Iterable<[string, Uint8Array<ArrayBuffer>]>} initial
 * @param {Map<string, GPUBuffer>} [adopted] Buffers of the plan that are there already. */
export async function preparePlan(device, plan, initial, adopted) {
  const executor = await checked(
    device, () => new Executor(device, plan, null, "rgba8unorm", adopted));
  try {
    for (const [name, bytes] of initial) executor.write(name, 0, bytes);
    await checked(device, () => executor.compile(() => {}));
    await checked(device, () => executor.resize(1, 1));
  } catch (error) {
    executor.destroy();
    throw error;
  }
  return executor;
}

/** Replay a plan's only schedule and read buffers back: name and bytes of each.
 * @param {Executor} executor @param {[string, number][]} wanted
 * @returns {Promise<ArrayBuffer[]>} */
export async function runPlan(executor, wanted) {
  const { device } = executor;
  const size = wanted.reduce((sum, [, bytes]) => sum + bytes, 0);
  const readable = device.createBuffer({
    label: "program.readback",
    size: Math.max(size, 4),
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  try {
    await checked(device, () => {
      executor.run(0, null);
      const encoder = device.createCommandEncoder();
      let at = 0;
      for (const [name, bytes] of wanted) {
        encoder.copyBufferToBuffer(executor.buffer(name), 0, readable, at, bytes);
        at += bytes;
      }
      device.queue.submit([encoder.finish()]);
    });
    await readable.mapAsync(GPUMapMode.READ);
    const data = readable.getMappedRange();
    let at = 0;
    return wanted.map(([, bytes]) => data.slice(at, (at += bytes)));
  } finally {
    readable.destroy();
  }
}
