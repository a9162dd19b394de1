// What one element shows, on the worker's side: its canvas, its scene, and its loop of frames. Python's
// side is pyengine/hosts/page.py; the device and Python are those of the whole page (worker.mjs).

import { Asking } from "./asking.mjs";
import { cutRows } from "./budget.mjs";
import { Drags } from "./drags.mjs";
import { unpack } from "./dropped.mjs";
import { Executor } from "./executor.mjs";
import { Filters } from "./filters.mjs";
import { fetchBundle } from "./generator.mjs";
import { Failure, fetchText } from "./loading.mjs";
import { Memory } from "./memory.mjs";
import { hasMoved, Objects } from "./objects.mjs";
import { Picks } from "./picks.mjs";
import { Playback } from "./playback.mjs";
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
/** How often a scene is opened where the device goes away meanwhile, and how soon that is known. */
const TRIES = 3, LOST_MS = 100;
/** Files of Python's side by the class in them. */
const HOSTS = {
  CaptureHost: "page_capture",
  FileHost: "page_file",
  FilterHost: "page_filter",
  ModeHost: "page_modes",
  PickHost: "page_pick",
  ViewHost: "page_view",
};

/** @typedef {{open_scene: Function, frame: Function, uniforms: Function, status: Function,
 *   redraw: Function, reset: Function, set_view: Function, set_track: Function, object_bytes: Function,
 *   bands: Function
 * } & import("./playback.mjs").Host & import("./objects.mjs").Host} Host Of pyengine/hosts/page.py. */
/** @typedef {import("./generator.mjs").Bundle} Bundle */
/** @typedef {import("./gpu.mjs").Given} Given */
/**
 * @typedef {object} Page What all displays of a page have in common.
 * @property {import("./gpu.mjs").Gpu} gpu
 * @property {() => Promise<any>} python
 * @property {(device: GPUDevice) => Map<string, import("./executor.mjs").Compiled>} compiled Pipelines
 *   of what is shown: scenes of one kind have the same ones.
 */

/** @param {GPUDevice} device @returns {Promise<boolean>} */
const isLost = (device) => Promise.race([
  device.lost.then(() => true),
  new Promise((resolve) => void setTimeout(resolve, LOST_MS, false)),
]);

export class Display {
  #page;
  #tell;
  #canvas;
  #sceneUrl;
  #budget;
  #sceneText = "";
  /** The file that is shown, in case the device is lost. @type {{name: string, blob: Blob} | null} */
  #dropped = null;
  /** What opens one scene after the other. @type {Promise<void>} */
  #opening = Promise.resolve();
  /** Python's side, and its parts by their classes. @type {Host | null} */
  #host = null;
  /** @type {Map<string, any>} */
  #parts = new Map();
  /** @type {Executor | null} */
  #executor = null;
  /** @type {PassTimer | null} */
  #timer = null;
  /** @type {any} */
  #opened = null;
  /** What Python fills, by the buffer that takes it; and the status of a frame.
   * @type {Record<string, Memory>} */
  #memories = {};
  /** Ends the downloads of a display that is gone. */
  #gone = new AbortController();
  #drags = new Drags();
  #size = { width: 1, height: 1, changed: true };
  #overlay = false;
  #paced = false;
  #visible = true;
  /** A film is made, so that the canvas waits. */
  #held = false;
  #scheduled = false;
  #inFlight = 0;
  /** Of the scenes that were shown; a frame of the one before counts no more. */
  #shown = 0;
  #lastTime = 0;
  #calls = 0;
  /** @type {number[]} */
  #settling = [];
  /** @type {Promise<import("./capture.mjs").Capture> | null} */
  #capture = null;

  /**
   * @param {Page} page
   * @param {import("./view-protocol.mjs").InitMessage} init
   * @param {(message: Record<string, unknown>) => void} tell The element.
   */
  constructor(page, init, tell) {
    this.#page = page;
    this.#tell = (/** @type {Record<string, unknown>} */ message) => {
      if (!this.#ended) tell(message);
    };
    this.#canvas = init.canvas;
    this.#budget = init.budget ?? 0;
    this.#sceneUrl = init.src ?? "";
    Object.assign(this.#size, { width: init.width, height: init.height });
    page.python().then(() => this.#progress("engine")(1, 1), () => {});
    if (init.src) this.#open((given) => this.#download(given));
  }

  get #ended() {
    return this.#gone.signal.aborted;
  }

  #schedule = () => {
    if (this.#scheduled || !this.#executor || !this.#visible || this.#held || this.#inFlight > 0) return;
    this.#scheduled = true;
    requestAnimationFrame((now) => {
      this.#scheduled = false;
      try {
        this.#tick(now);
      } catch (error) {
        this.#leave(); // no frame after this one could be trusted
        this.#fail(error);
      }
    });
  };

  #filters = new Filters({
    host: () => this.#parts.get("FilterHost"),
    modes: () => this.#part("ModeHost"),
    gpu: () => this.#page.gpu.get(),
    executor: () => this.#executor,
    size: () => this.#size,
    swap: (made, answer) => {
      this.#executor?.leave(made);
      this.#executor = made;
      this.#take(answer);
      this.#schedule();
    },
    schedule: this.#schedule,
    tell: (message) => this.#tell(message),
  });

  #playback = new Playback({
    host: () => this.#host,
    resume: (begins) => {
      if (begins) this.#lastTime = 0; // the clip goes on from now, not from the last frame
      this.#schedule();
    },
    tell: (message) => this.#tell(message),
  });

  #asking = new Asking({
    host: () => this.#part("ViewHost"),
    resume: () => {
      // what moves begins now, not at the last frame
      if (!this.#scheduled && this.#inFlight === 0) this.#lastTime = 0;
      this.#schedule();
    },
    tell: (message) => this.#tell(message),
  });

  #objects = new Objects({
    host: () => this.#host,
    resume: this.#schedule,
    tell: (message) => this.#tell(message),
  });

  #picks = new Picks({
    host: () => this.#part("PickHost"),
    gpu: () => this.#page.gpu.get(),
    executor: () => this.#executor,
    frame: () => ({ bytes: this.#memories.frame.bytes, at: this.#opened.structs.Frame }),
    tell: (message) => this.#tell(message),
  });

  /** Of the element's messages. @type {Record<string, (message: any) => void>} */
  handlers = {
    ...this.#playback.handlers,
    ...this.#filters.handlers,
    ...this.#asking.handlers,
    ...this.#objects.handlers,
    ...this.#picks.handlers,
    picture: (message) => this.#captured(message),
    film: (message) => this.#captured(message),
    cancel: (message) => this.#captured(message),
    resize: ({ width, height }) => {
      if (width === this.#size.width && height === this.#size.height) return;
      Object.assign(this.#size, { width, height, changed: true });
      this.#filters.resized();
      this.#schedule();
    },
    input: (message) => {
      this.#drags.add(message);
      this.#schedule();
    },
    reset: () => {
      if (this.#opened) this.#host?.reset();
      this.#schedule();
    },
    view: ({ view, id }) => {
      const error = this.#opened ? this.#host?.set_view(JSON.stringify(view)) : "the scene is not loaded yet";
      this.#tell({ type: "view", id, error: error || null });
      this.#schedule();
    },
    file: ({ name, data }) => this.#open((given) => this.#showFile(given, name, data)),
    settle: ({ id }) => {
      this.#settling.push(id);
      this.#schedule();
    },
    overlay: ({ on }) => {
      this.#overlay = on;
      this.#time();
      if (on && this.#executor) this.#host?.redraw();
      this.#schedule();
    },
    pace: ({ on }) => {
      this.#paced = on;
    },
    visible: ({ on }) => {
      this.#visible = on;
      this.#lastTime = 0;
      this.#schedule();
    },
    counters: ({ id }) => this.#tell({ type: "counters", id, calls: this.#calls }),
  };

  /** Pipelines that it has on a device. @param {GPUDevice} device */
  compiled(device) {
    return this.#executor?.device === device ? [...this.#executor.compiled] : [];
  }

  /** Free all that is its own; the device and Python stay. */
  dispose() {
    this.#gone.abort();
    this.#leave();
    this.#filters.end();
    this.#playback.end();
    for (const memory of Object.values(this.#memories)) memory.release();
    for (const part of this.#parts.values()) part.destroy();
    /** @type {any} */ (this.#host)?.destroy();
    this.#host = null;
  }

  /** The device went away: bring the same scene back on another one.
   * @param {GPUDevice} device @param {GPUDeviceLostInfo} info */
  lost(device, info) {
    if (this.#executor?.device !== device) return;
    this.#leave();
    this.#tell({ type: "lost", message: info.message || "the GPU device was lost" });
    const dropped = this.#dropped;
    this.#open(async (given) => {
      if (dropped) await this.#showFile(given, dropped.name, await dropped.blob.arrayBuffer());
      else await this.#show(given, await this.#bundle());
      this.#tell({ type: "restored" });
    });
  }

  /** After what is being opened, open something else; again, where the device went away meanwhile.
   * @param {(given: Given) => Promise<void>} work */
  #open(work) {
    this.#opening = this.#opening.then(async () => {
      for (let tries = 1; !this.#ended; tries += 1) {
        /** @type {Given | null} */
        let given = null;
        try {
          given = await this.#page.gpu.get();
          return await work(given);
        } catch (error) {
          const again = given && tries < TRIES && await isLost(given.device);
          if (!again) return this.#fail(error);
        }
      }
    });
  }

  /** Everything that the first frame waits for, side by side. @param {Given} given */
  async #download(given) {
    this.#sceneText = await fetchText(new URL(this.#sceneUrl), this.#gone.signal);
    await this.#show(given, await this.#bundle());
  }

  #bundle() {
    return fetchBundle(this.#sceneText, new URL(this.#sceneUrl), this.#progress("scene"), this.#gone.signal);
  }

  /** Plan the bundle's scene, build it and draw it.
   * @param {Given} given @param {Bundle} bundle */
  async #show(given, { program, shaders, files, tracks }) {
    const host = await this.#started();
    const answer = JSON.parse(host.open_scene(this.#sceneText, given.text, program, shaders));
    if (answer.error) throw new Failure(answer.code ?? "limits", answer.error);
    cutRows(files, answer.cut);
    for (const [name, file] of Object.entries(tracks)) {
      const wrong = host.set_track(name, await files[file]);
      if (wrong) throw new Failure("download", wrong);
    }
    await this.#present(given, answer, new Map(), files, null);
  }

  /** Unpack a file and draw it; until then, and if it fails, what is shown stays.
   * @param {Given} given @param {string} name @param {ArrayBuffer} data */
  async #showFile(given, name, data) {
    await this.#started();
    const host = /** @type {import("./dropped.mjs").Opener} */ (await this.#part("FileHost"));
    const { answer, buffers } = await unpack(name, data, given, host, this.#progress("scene"));
    await this.#present(given, answer, buffers, {}, () => host.show_file());
    this.#dropped = { name, blob: new Blob([data]) };
  }

  /** Python's side. @returns {Promise<Host>} */
  async #started() {
    const python = await this.#page.python();
    if (this.#ended) throw new Error("it was disposed of");
    this.#host ??= /** @type {Host} */ (python.pyimport("pyengine.hosts.page").Display(this.#budget));
    await this.#part("FilterHost");
    return this.#host;
  }

  /** A part of Python's side, made when it is first asked for. @param {keyof typeof HOSTS} name */
  async #part(name) {
    const python = await this.#page.python();
    const known = this.#parts.get(name);
    if (known) return known;
    if (name !== "FilterHost") await this.#started();
    if (this.#ended) throw new Error("it was disposed of");
    const made = python.pyimport(`pyengine.hosts.${HOSTS[name]}`)[name](this.#host);
    this.#parts.set(name, made);
    return made;
  }

  /** Build a scene's plan and draw it from now on; the one before goes, with all it holds.
   * @param {Given} given @param {any} answer
   * @param {Map<string, GPUBuffer>} adopted
   * @param {Bundle["files"]} files By the `source` of the plan's buffers.
   * @param {(() => void) | null} change Tells Python that its scene is the one that is shown now: of a file. */
  async #present({ adapter, device }, answer, adopted, files, change) {
    const context = /** @type {GPUCanvasContext} */ (this.#canvas.getContext("webgpu"));
    const format = navigator.gpu.getPreferredCanvasFormat();
    let complete = true;
    /** @type {Promise<void> | undefined} */
    let bands;
    const made = new Executor(device, answer.plan, context, format, adopted);
    try {
      const compiled = made.compile(this.#progress("shaders"), this.#page.compiled(device));
      await Promise.all(made.plan.buffers.map(async ({ name, source }) => {
        if (!source || !(source in files)) return;
        const written = files[source].then((bytes) => made.write(name, 0, bytes));
        if (source !== BANDS) return written;
        complete = false;
        bands = written.then(() => { complete = true; });
        bands.catch(() => {}); // told below
      }));
      await compiled;
      if (this.#ended) throw new Error("it was disposed of");
      change?.();
    } catch (error) {
      made.destroy();
      throw error;
    }
    this.#leave();
    this.#executor = made;
    this.#take(answer);
    this.#time();
    this.#playback.begin(/** @type {Host} */ (this.#host), answer.generator?.feeds);
    if (bands && !complete) {
      const shown = this.#shown;
      this.#host?.bands(0);
      this.#tell({ type: "preview" });
      this.#schedule();
      await bands;
      if (this.#shown !== shown) return; // the device was lost, and what came after it is shown
      this.#host?.bands(1);
    }
    this.#schedule();
    const { vendor, architecture, description } = adapter.info;
    const name = description || [vendor, architecture].filter(Boolean).join(" ");
    const info = { ...answer.info, adapter: name, generator: answer.generator };
    const listed = answer.info.filters ?? [];
    await this.#filters.begin(change ? "" : this.#sceneUrl, listed, (marked) => {
      this.#tell({ type: "ready", info: listed.length ? { ...info, filters: marked } : info });
    });
  }

  /** Nothing is shown any more: free what that took. */
  #leave() {
    this.#shown += 1;
    this.#inFlight = 0;
    this.#picks.end();
    this.#timer?.destroy();
    this.#timer = null;
    this.#executor?.destroy();
    this.#executor = null;
  }

  /** What Python made is shown from now on. @param {any} answer */
  #take(answer) {
    const host = /** @type {Host} */ (this.#host);
    const filter = this.#parts.get("FilterHost");
    this.#opened = answer;
    for (const memory of Object.values(this.#memories)) memory.release();
    this.#memories = {
      frame: new Memory(() => host.uniforms()),
      status: new Memory(() => host.status()),
      filter: new Memory(() => filter.filter_bytes()),
      "filter.inputs": new Memory(() => filter.filter_inputs()),
    };
    if (answer.info.objects) this.#memories.objects = new Memory(() => host.object_bytes());
    this.#size.changed = true;
  }

  /** Time passes while the overlay is on. */
  #time() {
    this.#timer?.destroy();
    this.#timer = this.#overlay && this.#executor
      ? new PassTimer(this.#executor.device, this.#opened.structs.SortState.key_count) : null;
  }

  /** @param {number} now */
  #tick(now) {
    const executor = this.#executor, host = this.#host;
    if (!executor || !host || this.#held) return;
    const started = performance.now();
    const interval = this.#lastTime ? now - this.#lastTime : 0; // 0: the first after a pause
    this.#lastTime = now;
    const size = this.#size;
    if (size.changed) {
      this.#canvas.width = size.width;
      this.#canvas.height = size.height;
      executor.resize(size.width, size.height);
      host.redraw();
      size.changed = false;
    }
    const { flying } = this.#drags;
    const came = this.#playback.flush();
    this.#calls += 1 + came.calls;
    const index = host.frame(
      Math.min(interval / 1000, flying ? HELD_S : PLAYED_S), size.width, size.height,
      ...this.#drags.take(), came.changed ? 1 : 0, this.#objects.take());
    const status = this.#memories.status.bytes;
    this.#calls += this.#objects.answer(status);
    const moves = this.#asking.tellMoving(status);
    const playing = this.#playback.tellClock() || moves;
    if (index >= 0) this.#draw(index, started, interval, playing);
    else if (index === IDLE && this.#inFlight === 0) this.#settle();
    if (flying || playing || index === HELD) this.#schedule();
    else if (index === IDLE) this.#rest();
  }

  /** Nothing is to be drawn. */
  #rest() {
    this.#lastTime = 0;
    if (this.#inFlight === 0) this.#calls += this.#filters.rest();
  }

  /** Upload what Python filled, and replay a schedule of the plan that is shown.
   * @param {Executor} target @param {number} index @param {PassTimer | null} timed */
  #replay(target, index, timed) {
    const { buffer, byteOffset } = this.#memories.status.bytes;
    const status = new DataView(buffer, byteOffset);
    for (const name of this.#opened.uploads[index]) {
      target.write(name, 0, (name === "inputs" && this.#playback.bytes) || this.#memories[name].bytes);
    }
    if (hasMoved(status)) target.write("objects", 0, this.#memories.objects.bytes);
    const before = status.getInt32(0, true);
    if (before !== IDLE) target.run(before, null);
    target.run(index, timed);
    return { level: status.getInt32(4, true), every: status.getInt32(8, true) };
  }

  /** @param {number} index @param {number} started @param {number} interval
   * @param {boolean} playing Frames follow by themselves, so that none is the last. */
  #draw(index, started, interval, playing) {
    const target = /** @type {Executor} */ (this.#executor);
    const shown = this.#shown;
    const waiting = playing ? this.#settling.splice(0) : [];
    const timed = this.#timer && !this.#timer.busy ? this.#timer : null;
    const { level, every } = this.#replay(target, index, timed);
    this.#picks.drawn();
    this.#calls += this.#filters.drawn();
    this.#objects.drawn(this.#memories.frame.bytes, this.#opened.structs.Frame);
    this.#filters.govern(level);
    const cpuMs = performance.now() - started;
    const timing = timed?.read().catch(() => null); // the overlay was closed meanwhile
    this.#inFlight += 1;
    target.device.queue.onSubmittedWorkDone().then(async () => {
      if (this.#shown !== shown) {
        this.#settling.push(...waiting); // for a frame of what is shown now
        this.#schedule();
        return;
      }
      this.#inFlight -= 1;
      this.#settle(waiting);
      if (this.#paced) this.#tell({ type: "pace", cpuMs, intervalMs: interval });
      const times = await timing;
      if (times) this.#tell({ type: "frame", cpuMs, intervalMs: interval, every, ...times });
      this.#schedule(); // one more tick: draws what came meanwhile, or finds that all is settled
    });
  }

  /** @param {number[]} ids Of those who waited for this frame. */
  #settle(ids = this.#settling.splice(0)) {
    for (const id of ids) this.#tell({ type: "settled", id });
  }

  /** Pictures and films need modules of their own, which come when one is asked for.
   * @param {{type: "picture" | "film" | "cancel", id: number}} message */
  #captured(message) {
    this.#capture ??= import("./capture.mjs").then(({ Capture }) => new Capture({
      host: () => this.#part("CaptureHost"),
      executor: () => this.#executor,
      replay: (target, index) => this.#replay(target, index, null),
      filtered: () => PRESENT in this.#opened.plan.schedules,
      hold: (on) => {
        this.#held = on;
        this.#lastTime = 0;
        this.#schedule();
      },
      resume: this.#schedule,
      tell: (told) => this.#tell(told),
    }));
    this.#capture.then((capture) => capture.handlers[message.type](message), (error) => {
      this.#capture = null; // another try may have it
      this.#tell({ type: "told", id: message.id, error: `its modules could not be loaded (${error})` });
    });
  }

  /** @param {string} stage @returns {(loaded: number, total: number) => void} */
  #progress(stage) {
    return (loaded, total) => this.#tell({ type: "progress", stage, loaded, total });
  }

  /** @param {unknown} error */
  #fail(error) {
    const code = error instanceof Failure ? error.code : "engine";
    this.#tell({ type: "error", code, message: error instanceof Error ? error.message : String(error) });
  }
}
