// A file that was dropped on the page: inflated here, its header read by Python
// (pyengine/hosts/page_file.py), its rows uploaded as they stand and unpacked by the GPU into buffers
// of their own, so that what is shown stays as it is until the new scene is ready.

import { Executor } from "./executor.mjs";
import { Failure } from "./loading.mjs";

/** @typedef {{inflated_bytes: Function, open_file: Function, payload: Function,
 *   decoded: Function, show_file: Function}} Opener Of pyengine/hosts/page_file.py. */

const HEADER_BYTES = 16;
const PIECE_BYTES = 32 << 20;
/** The buffers that are drawn; the others were needed for unpacking only. */
const KEPT = ["chunks", "geometry", "color", "sh"];

/** What Python answered, or the failure that it told. @param {string} text */
function checked(text) {
  const answer = JSON.parse(text);
  if (answer.error) throw new Failure(answer.code, answer.error);
  return answer;
}

/**
 * Unpack a file into buffers of its own.
 * @param {string} name @param {ArrayBuffer} data @param {import("./gpu.mjs").Given} given
 * @param {Opener} host
 * @param {(loaded: number, total: number) => void} report Bytes uploaded.
 * @returns {Promise<{answer: any, buffers: Map<string, GPUBuffer>}>} What `decoded` told, and the
 *   buffers that its plan draws.
 */
export async function unpack(name, data, { device, text }, host, report) {
  /** @type {Executor | null} */
  let made = null;
  try {
    const file = await inflated(name, data, host);
    const source = checked(host.open_file(name, file, text));
    const created = watched(name, device, () => new Executor(device, source.plan, null, "rgba8unorm"));
    made = created.value;
    await created.fine;
    await made.compile(() => {});
    made.resize(1, 1);
    made.write("source_table", 0, new Uint8Array(source.table));
    await uploadAll(made, file, source, host, report);
    const ran = made;
    await watched(name, device, () => ran.run(0, null)).fine;
    const answer = checked(host.decoded(...await readAll(made, source.readback)));
    const buffers = new Map();
    for (const label of KEPT) {
      const buffer = made.buffers.get(label);
      if (buffer) buffers.set(label, buffer);
    }
    made.free(new Set(buffers.values()));
    return { answer, buffers };
  } catch (error) {
    made?.destroy();
    if (error instanceof Failure) throw error;
    const reason = String(error instanceof Error ? error.message : error).trim().split("\n").pop();
    throw new Failure("file", `${name}: could not be unpacked (${reason}).`);
  }
}

const FILTERS = /** @type {GPUErrorFilter[]} */ (["validation", "out-of-memory"]);

/**
 * Do something on the GPU, in one go, so that its errors are not mixed with those of others.
 * @template T
 * @param {string} name @param {GPUDevice} device @param {() => T} act
 * @returns {{value: T, fine: Promise<void>}} Rejected if the GPU could not.
 */
function watched(name, device, act) {
  for (const filter of FILTERS) device.pushErrorScope(filter);
  /** @type {Promise<GPUError | null>[]} */
  let told = [];
  try {
    const value = act();
    told = FILTERS.map(() => device.popErrorScope());
    const fine = Promise.all(told).then((errors) => {
      const error = errors.find((found) => found);
      if (error) throw new Failure("limits", `${name}: the GPU could not unpack it (${error.message}).`);
    });
    fine.catch(() => {}); // told where it is waited for
    return { value, fine };
  } finally {
    if (!told.length) for (const _ of FILTERS) device.popErrorScope();
  }
}

/**
 * The file, or what its gzip stream holds: no more than its header promises.
 * @param {string} name @param {ArrayBuffer} data @param {Opener} host
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function inflated(name, data, host) {
  const file = new Uint8Array(data);
  if (file[0] !== 0x1f || file[1] !== 0x8b) return file;
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  let bytes = new Uint8Array(HEADER_BYTES);
  let limit = 0;
  let filled = 0;
  try {
    for (;;) {
      let { done, value } = await reader.read();
      if (done || !value) break;
      if (!limit) {
        const head = value.subarray(0, HEADER_BYTES - filled);
        bytes.set(head, filled);
        filled += head.length;
        value = value.subarray(head.length);
        if (filled < HEADER_BYTES) continue;
        limit = checked(host.inflated_bytes(bytes, file.length, name)).limit;
        const all = new Uint8Array(limit);
        all.set(bytes);
        bytes = all;
      }
      if (filled + value.length > limit) {
        throw new Failure("file", `${name}: the gzip stream holds more than its header says; ` +
          `wanted at most ${limit} bytes. The file is damaged.`);
      }
      bytes.set(value, filled);
      filled += value.length;
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof Failure) throw error;
    throw new Failure("file", `${name}: the gzip stream is damaged (${error}); ` +
      "download or export it again.");
  }
  return bytes.subarray(0, filled);
}

/**
 * @param {Executor} made @param {Uint8Array<ArrayBuffer>} file
 * @param {{start: number, size: number, inflated: boolean}} source @param {Opener} host
 * @param {(loaded: number, total: number) => void} report
 */
async function uploadAll(made, file, source, host, report) {
  if (!source.inflated) return upload(made, file.subarray(source.start), source.size, report);
  const proxy = host.payload();
  const view = proxy.getBuffer("u8");
  proxy.destroy();
  const bytes = view.data.slice(); // Python's memory may grow, and so move, between the pieces
  view.release();
  await upload(made, bytes, source.size, report);
}

/**
 * @param {Executor} made @param {Uint8Array<ArrayBuffer>} bytes @param {number} size
 * @param {(loaded: number, total: number) => void} report
 */
async function upload(made, bytes, size, report) {
  const whole = size - (size % 4);
  for (let at = 0; at < whole; at += PIECE_BYTES) {
    const end = Math.min(at + PIECE_BYTES, whole);
    made.write("source", at, bytes.subarray(at, end));
    report(end, size);
    await made.device.queue.onSubmittedWorkDone(); // lets go of the copy that writeBuffer made
  }
  if (whole === size) return;
  const rest = new Uint8Array(4);
  rest.set(bytes.subarray(whole, size));
  made.write("source", whole, rest);
}

/**
 * Copies of whole buffers.
 * @param {Executor} made @param {string[]} names
 */
async function readAll(made, names) {
  const { device } = made;
  const sizes = names.map((name) => made.buffer(name).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const readable = device.createBuffer({ label: "dropped.readback", size: total, usage });
  const encoder = device.createCommandEncoder();
  let at = 0;
  const starts = sizes.map((size, i) => {
    encoder.copyBufferToBuffer(made.buffer(names[i]), 0, readable, at, size);
    at += size;
    return at - size;
  });
  device.queue.submit([encoder.finish()]);
  await readable.mapAsync(GPUMapMode.READ);
  const data = new Uint8Array(readable.getMappedRange()).slice();
  readable.destroy();
  return starts.map((start, i) => data.subarray(start, start + sizes[i]));
}
