// The worker that an element starts: Pyodide, the engine, the GPU device and the frame loop.
// Messages are drawn in docs/architecture.md; the element's side is vitrine-view.mjs.

import { Asking } from "./asking.mjs";
import { cutRows, keepBudget } from "./budget.mjs";
import { Capture } from "./capture.mjs";
import { Drags } from "./drags.mjs";
import { unpack } from "./dropped.mjs";
import { Executor } from "./executor.mjs";
import { Filters } from "./filters.mjs";
import { fetchBundle } from "./generator.mjs";
import { Failure, fetchText, openDevice, startPython } from "./loading.mjs";
import { Memory } from "./memory.mjs";
import { hasMoved, Objects } from "./objects.mjs";
import { Playback } from "./playback.mjs";
import { Picks } from "./picks.mjs";
import { PassTimer } from "./timer.mjs";

const IDLE = -1;
const HELD = -2;
/** The `source` of SH: most of a scene's bytes, without which it can be drawn already. */
const BANDS = "sh";
/** The schedule that a plan with a filter has. */
const PRESENT = "present";
/** A frame after a longer pause counts as this much of a held key, or of a clip. */
const HELD_S = 0.1;
const PLAYED_S = 0.5;

/** @typedef {{open_scene: Function, frame: Function, uniforms: Function, status: Function,
 *   redraw: Function, reset: Function, set_view: Function, set_track: Function, object_bytes: Function,
 *   bands: Function
 * } & import("./playback.mjs").Host & import("./objects.mjs").Host} Engine Of pyengine/hosts/page.py. */
/** @typedef {import("./dropped.mjs").Opener} FileHost */
/** @typedef {import("./filters.mjs").Host} FilterHost */
/** @typedef {import("./generator.mjs").Bundle} Bundle */

/** @type {OffscreenCanvas} */
let canvas;
let base = "";
let sceneUrl = "";
let sceneText = "";
/** @type {{name: string, blob: Blob} | null} The file that is shown, in case the device is lost. */
let dropped = null;
/** @type {Promise<any>} */
let python;
/** What opens one scene after the other. */
let opening = Promise.resolve();
/** @type {Engine | null} */
let engine = null;
/** @type {Executor | null} */
let executor = null;
/** @type {PassTimer | null} */
let timer = null;
/** @type {any} */
let opened = null;
/** What Python fills, by the buffer that takes it; and the status of a frame.
 * @type {Record<string, Memory>} */
let memories = {};
/** @type {FilterHost | null} */
let filterHost = null;

const drags = new Drags();
const size = { width: 1, height: 1, changed: true };
let overlay = false;
let paced = false;
let visible = true;
/** A film is made, so that the canvas waits. */
let held = false;
let scheduled = false;
let inFlight = 0;
let lastTime = 0;
let calls = 0;
/** @type {number[]} */
const settling = [];

/** @param {Record<string, unknown>} message */
const tell = (message) => self.postMessage(message);

/** @param {string} stage @returns {(loaded: number, total: number) => void} */
const progress = (stage) => (loaded, total) => tell({ type: "progress", stage, loaded, total });

/** @param {unknown} error */
function fail(error) {
  const code = error instanceof Failure ? error.code : "engine";
  tell({ type: "error", code, message: error instanceof Error ? error.message : String(error) });
}

const filters = new Filters({
  host: () => /** @type {FilterHost} */ (filterHost),
  modes: async () => (await python).pyimport("pyengine.hosts.page_modes"),
  executor: () => executor,
  size: () => size,
  swap(made, answer) {
    executor?.leave(made);
    executor = made;
    take(answer);
    schedule();
  },
  schedule,
  tell,
});

const playback = new Playback({
  host: () => engine,
  resume(begins) {
    if (begins) lastTime = 0; // the clip goes on from now, not from the last frame
    schedule();
  },
  tell,
});

const asking = new Asking({
  host: async () => (await python).pyimport("pyengine.hosts.page_view"),
  resume() {
    if (!scheduled && inFlight === 0) lastTime = 0; // what moves begins now, not at the last frame
    schedule();
  },
  tell,
});

const objects = new Objects({ host: () => engine, resume: schedule, tell });

const picks = new Picks({
  host: async () => (await python).pyimport("pyengine.hosts.page_pick"),
  executor: () => executor,
  frame: () => ({ bytes: memories.frame.bytes, at: opened.structs.Frame }),
  tell,
});

const capture = new Capture({
  host: async () => (await python).pyimport("pyengine.hosts.page_capture"),
  executor: () => executor,
  replay: (target, index) => replay(target, index, null),
  filtered: () => PRESENT in opened.plan.schedules,
  hold(on) {
    held = on;
    lastTime = 0;
    schedule();
  },
  resume: schedule,
  tell,
});

/** Everything that the first frame waits for, side by side. */
async function start() {
  const adapter = openDevice.adapter();
  for (const waiting of [python, adapter]) waiting.catch(() => {});
  sceneText = await fetchText(new URL(sceneUrl));
  await show(await adapter, await fetchBundle(sceneText, new URL(sceneUrl), progress("scene")));
}

async function startEngine() {
  engine = /** @type {Engine} */ ((await python).pyimport("pyengine.hosts.page"));
  filterHost ??= /** @type {FilterHost} */ ((await python).pyimport("pyengine.hosts.page_filter"));
  return engine;
}

/** Plan the bundle's scene, build it on a new device and draw it.
 * @param {GPUAdapter} adapter @param {Bundle} bundle */
async function show(adapter, { program, shaders, files, tracks }) {
  const host = await startEngine();
  const adapterText = JSON.stringify(openDevice.describe(adapter));
  const answer = JSON.parse(host.open_scene(sceneText, adapterText, program, shaders));
  if (answer.error) throw new Failure(answer.code ?? "limits", answer.error);
  cutRows(files, answer.cut);
  for (const [name, file] of Object.entries(tracks)) {
    const wrong = host.set_track(name, await files[file]);
    if (wrong) throw new Failure("download", wrong);
  }
  const device = await openDevice.device(adapter, answer.limits, answer.features, "filters" in answer.info);
  await present(adapter, device, answer, new Map(), files);
}

/** Unpack a file and draw it; until then, and if it fails, what is shown stays.
 * @param {string} name @param {ArrayBuffer} data */
async function showFile(name, data) {
  await startEngine();
  const host = /** @type {FileHost} */ ((await python).pyimport("pyengine.hosts.page_file"));
  const adapter = await openDevice.adapter();
  const { device, answer, buffers } = await unpack(name, data, adapter, host, progress("scene"));
  await present(adapter, device, answer, buffers, {}, host.show_file);
  dropped = { name, blob: new Blob([data]) };
}

/** Build a scene's plan and draw it from now on; the device before goes, with all it holds.
 * @param {GPUAdapter} adapter @param {GPUDevice} device @param {any} answer
 * @param {Map<string, GPUBuffer>} adopted
 * @param {Bundle["files"]} files By the `source` of the plan's buffers.
 * @param {Function} [change] Tells Python that its scene is the one that is shown now: of a file. */
async function present(adapter, device, answer, adopted, files, change) {
  const context = /** @type {GPUCanvasContext} */ (canvas.getContext("webgpu"));
  const format = navigator.gpu.getPreferredCanvasFormat();
  let complete = true;
  /** @type {Promise<void> | undefined} */
  let bands;
  try {
    const made = new Executor(device, answer.plan, context, format, adopted);
    const compiled = made.compile(progress("shaders"));
    await Promise.all(made.plan.buffers.map(async ({ name, source }) => {
      if (!source || !(source in files)) return;
      const written = files[source].then((bytes) => made.write(name, 0, bytes));
      if (source !== BANDS) return written;
      complete = false;
      bands = written.then(() => { complete = true; });
      bands.catch(() => {}); // told below
    }));
    await compiled;
    change?.();
    executor?.device.destroy();
    executor = made;
  } catch (error) {
    device.destroy();
    throw error;
  }
  device.lost.then((info) => lost(device, info));
  inFlight = 0;
  take(answer);
  timer = overlay ? newTimer(device) : null;
  playback.begin(/** @type {Engine} */ (engine), answer.generator?.feeds);
  if (bands && !complete) {
    const shown = executor;
    engine?.bands(0);
    tell({ type: "preview" });
    schedule();
    await bands;
    if (executor !== shown) return; // the device was lost, and what came after it is shown
    engine?.bands(1);
  }
  schedule();
  const { vendor, architecture, description } = adapter.info;
  const name = description || [vendor, architecture].filter(Boolean).join(" ");
  const info = { ...answer.info, adapter: name, generator: answer.generator };
  const listed = answer.info.filters ?? [];
  await filters.begin(adapter, change ? "" : sceneUrl, listed, (marked) => {
    tell({ type: "ready", info: listed.length ? { ...info, filters: marked } : info });
  });
}

/** What Python made is shown from now on. @param {any} answer */
function take(answer) {
  const host = /** @type {Engine} */ (engine);
  const shown = /** @type {FilterHost} */ (filterHost);
  opened = answer;
  for (const memory of Object.values(memories)) memory.release();
  memories = {
    frame: new Memory(() => host.uniforms()),
    status: new Memory(() => host.status()),
    filter: new Memory(() => shown.filter_bytes()),
    "filter.inputs": new Memory(() => shown.filter_inputs()),
  };
  if (answer.info.objects) memories.objects = new Memory(() => host.object_bytes());
  size.changed = true;
}

/** The device went away: bring it back with the same scene.
 * @param {GPUDevice} device @param {GPUDeviceLostInfo} info */
async function lost(device, info) {
  if (executor?.device !== device) return;
  executor = null;
  timer = null;
  inFlight = 0;
  tell({ type: "lost", message: info.message || "the GPU device was lost" });
  try {
    if (dropped) await showFile(dropped.name, await dropped.blob.arrayBuffer());
    else {
      const url = new URL(sceneUrl);
      await show(await openDevice.adapter(), await fetchBundle(sceneText, url, progress("scene")));
    }
    tell({ type: "restored" });
  } catch (error) {
    fail(error);
  }
}

/** @param {GPUDevice} device */
const newTimer = (device) => new PassTimer(device, opened.structs.SortState.key_count);

function schedule() {
  if (scheduled || !executor || !visible || held || inFlight > 0) return;
  scheduled = true;
  requestAnimationFrame((now) => {
    try {
      tick(now);
    } catch (error) {
      executor = null; // no frame after this one could be trusted
      fail(error);
    }
  });
}

/** @param {number} now */
function tick(now) {
  scheduled = false;
  if (!executor || !engine || held) return;
  const started = performance.now();
  const interval = lastTime ? now - lastTime : 0; // 0: the first after a pause
  lastTime = now;
  if (size.changed) {
    canvas.width = size.width;
    canvas.height = size.height;
    executor.resize(size.width, size.height);
    engine.redraw();
    size.changed = false;
  }
  const { flying } = drags;
  const came = playback.flush();
  calls += 1 + came.calls;
  const index = engine.frame(
    Math.min(interval / 1000, flying ? HELD_S : PLAYED_S), size.width, size.height,
    ...drags.take(), came.changed ? 1 : 0, objects.take());
  calls += objects.answer(memories.status.bytes);
  const moves = asking.tellMoving(memories.status.bytes);
  const playing = playback.tellClock() || moves;
  if (index >= 0) draw(index, started, interval, playing);
  else if (index === IDLE && inFlight === 0) settle();
  if (flying || playing || index === HELD) schedule();
  else if (index === IDLE) rest();
}

/** Nothing is to be drawn. */
function rest() {
  lastTime = 0;
  if (inFlight === 0) calls += filters.rest();
}

/** Upload what Python filled, and replay a schedule of the plan that is shown.
 * @param {Executor} target @param {number} index @param {PassTimer | null} timed */
function replay(target, index, timed) {
  const { buffer, byteOffset } = memories.status.bytes;
  const status = new DataView(buffer, byteOffset);
  for (const name of opened.uploads[index]) {
    target.write(name, 0, (name === "inputs" && playback.bytes) || memories[name].bytes);
  }
  if (hasMoved(status)) target.write("objects", 0, memories.objects.bytes);
  const before = status.getInt32(0, true);
  if (before !== IDLE) target.run(before, null);
  target.run(index, timed);
  return { level: status.getInt32(4, true), every: status.getInt32(8, true) };
}

/** @param {number} index @param {number} started @param {number} interval
 * @param {boolean} playing Frames follow by themselves, so that none is the last. */
function draw(index, started, interval, playing) {
  const target = /** @type {Executor} */ (executor);
  const waiting = playing ? settling.splice(0) : [];
  const timed = timer && !timer.busy ? timer : null;
  const { level, every } = replay(target, index, timed);
  picks.drawn();
  calls += filters.drawn();
  objects.drawn(memories.frame.bytes, opened.structs.Frame);
  filters.govern(level);
  const cpuMs = performance.now() - started;
  const timing = timed?.read().catch(() => null); // the overlay was closed meanwhile
  inFlight += 1;
  target.device.queue.onSubmittedWorkDone().then(async () => {
    if (target.device !== executor?.device) {
      settling.push(...waiting); // for the frame of the next device
      schedule();
      return;
    }
    inFlight -= 1;
    settle(waiting);
    if (paced) tell({ type: "pace", cpuMs, intervalMs: interval });
    const times = await timing;
    if (times) tell({ type: "frame", cpuMs, intervalMs: interval, every, ...times });
    schedule(); // one more tick: draws what came meanwhile, or finds that all is settled
  });
}

/** @param {number[]} ids Of those who waited for this frame. */
function settle(ids = settling.splice(0)) {
  for (const id of ids) tell({ type: "settled", id });
}

/** @type {Record<string, (message: any) => void>} */
const handlers = {
  ...playback.handlers,
  ...filters.handlers,
  ...asking.handlers,
  ...capture.handlers,
  ...objects.handlers,
  ...picks.handlers,
  init(message) {
    canvas = message.canvas;
    base = message.base;
    sceneUrl = message.src;
    handlers.resize(message);
    python = startPython(base).then((made) => keepBudget(made, message.budget));
    python.then(() => progress("engine")(1, 1), () => {});
    python.catch(() => {}); // told by whoever waits for it
    if (sceneUrl) opening = start().catch(fail);
  },
  resize({ width, height }) {
    if (width === size.width && height === size.height) return;
    Object.assign(size, { width, height, changed: true });
    filters.resized();
    schedule();
  },
  input(message) {
    drags.add(message);
    schedule();
  },
  reset() {
    engine?.reset();
    schedule();
  },
  view({ view, id }) {
    const error = engine ? engine.set_view(JSON.stringify(view)) : "the scene is not loaded yet";
    tell({ type: "view", id, error: error || null });
    schedule();
  },
  file({ name, data }) {
    opening = opening.then(() => showFile(name, data)).catch(fail);
  },
  settle({ id }) {
    settling.push(id);
    schedule();
  },
  overlay({ on }) {
    overlay = on;
    timer?.destroy();
    timer = on && executor ? newTimer(executor.device) : null;
    if (on && executor) engine?.redraw();
    schedule();
  },
  pace({ on }) {
    paced = on;
  },
  visible({ on }) {
    visible = on;
    lastTime = 0;
    schedule();
  },
  counters({ id }) {
    tell({ type: "counters", id, calls });
  },
  lose() {
    executor?.device.destroy();
  },
  dispose() {
    const device = executor?.device;
    executor = null;
    device?.destroy();
    self.close();
  },
};

self.onmessage = ({ data }) => handlers[data.type]?.(data);
