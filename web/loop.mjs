// The frames of a display: when one is due, the one call into Python, the upload, the replay, and who
// is told of it. Nothing runs while nothing changes.

import { Asking } from "./asking.mjs";
import { Drags } from "./drags.mjs";
import { Filters } from "./filters.mjs";
import { Following } from "./following.mjs";
import { Memory } from "./memory.mjs";
import { hasMoved, Objects } from "./objects.mjs";
import { Playback } from "./playback.mjs";
import { PassTimer } from "./timer.mjs";

/** @typedef {import("./executor.mjs").Executor} Executor */
/** @typedef {import("./hosts.mjs").Host} Host */

const IDLE = -1;
const HELD = -2;
/** A frame after a longer pause counts as this much of a held key, or of a clip. */
const HELD_S = 0.1;
const PLAYED_S = 0.5;

/**
 * @typedef {object} Hooks
 * @property {OffscreenCanvas} canvas
 * @property {import("./hosts.mjs").Hosts} hosts
 * @property {() => Promise<import("./gpu.mjs").Given>} gpu
 * @property {(error: unknown) => void} fail No frame can follow.
 * @property {(message: Record<string, unknown>) => void} tell
 */

export class Loop {
  #hooks;
  /** What is shown. @type {Executor | null} */
  executor = null;
  /** What Python told of it. @type {any} */
  opened = null;
  /** Counts the scenes that were shown: a frame of the one before counts no more. */
  epoch = 0;
  /** @type {PassTimer | null} */
  #timer = null;
  /** What Python fills, by the buffer that takes it; and the status of a frame.
   * @type {Record<string, Memory>} */
  #memories = {};
  #drags = new Drags();
  #size = { width: 1, height: 1, changed: true };
  #overlay = false;
  #paced = false;
  #visible = true;
  #held = false;
  #scheduled = false;
  #inFlight = 0;
  #lastTime = 0;
  #calls = 0;
  /** @type {number[]} */
  #settling = [];

  /** @param {Hooks} hooks @param {{width: number, height: number}} size Of the canvas, device pixels. */
  constructor(hooks, { width, height }) {
    this.#hooks = hooks;
    Object.assign(this.#size, { width, height });
    const { hosts, tell, gpu } = hooks;
    const host = () => hosts.display;
    this.playback = new Playback({
      host,
      resume: (begins) => {
        if (begins) this.#lastTime = 0; // the clip goes on from now, not from the last frame
        this.schedule();
      },
      tell,
    });
    this.objects = new Objects({ host, resume: () => this.schedule(), tell });
    this.asking = new Asking({
      host: () => hosts.part("ViewHost"),
      resume: () => {
        // what moves begins now, not at the last frame
        if (!this.#scheduled && this.#inFlight === 0) this.#lastTime = 0;
        this.schedule();
      },
      tell,
    });
    this.following = new Following({
      frame: () => this.executor && { bytes: this.#memories.frame.bytes, at: this.opened.structs.Frame },
      tell,
    });
    this.filters = new Filters({
      host: () => hosts.filter,
      modes: () => hosts.part("ModeHost"),
      gpu,
      executor: () => this.executor,
      size: () => this.#size,
      swap: (made, answer) => {
        this.executor?.leave(made);
        this.executor = made;
        this.#take(answer);
        this.schedule();
      },
      schedule: () => this.schedule(),
      tell,
    });
    /** Of the element's messages. @type {Record<string, (message: any) => void>} */
    this.handlers = {
      ...this.playback.handlers,
      ...this.filters.handlers,
      ...this.asking.handlers,
      ...this.objects.handlers,
      ...this.following.handlers,
      ...this.#handlers,
    };
  }

  /** Draw this from now on; what was shown before goes, with all it holds.
   * @param {Executor} made @param {any} answer What Python told of it. */
  show(made, answer) {
    this.leave();
    this.executor = made;
    this.#take(answer);
    this.#time();
    this.playback.begin(/** @type {Host} */ (this.#hooks.hosts.display), answer.generator?.feeds);
  }

  /** Nothing is shown any more: free what that took. */
  leave() {
    this.epoch += 1;
    this.#inFlight = 0;
    this.#timer?.destroy();
    this.#timer = null;
    this.executor?.destroy();
    this.executor = null;
  }

  /** No frame follows. */
  end() {
    this.leave();
    this.filters.end();
    this.playback.end();
    for (const memory of Object.values(this.#memories)) memory.release();
  }

  /** Ask for a frame. */
  schedule() {
    if (this.#scheduled || !this.executor || !this.#visible || this.#held || this.#inFlight > 0) return;
    this.#scheduled = true;
    requestAnimationFrame((now) => {
      this.#scheduled = false;
      try {
        this.#tick(now);
      } catch (error) {
        this.leave(); // no frame after this one could be trusted
        this.#hooks.fail(error);
      }
    });
  }

  /** A film is made, so that the canvas waits. @param {boolean} on */
  hold(on) {
    this.#held = on;
    this.#lastTime = 0;
    this.schedule();
  }

  /** Upload what Python filled, and replay a schedule of the plan that is shown.
   * @param {Executor} target @param {number} index @param {PassTimer | null} timed */
  replay(target, index, timed) {
    const { buffer, byteOffset } = this.#memories.status.bytes;
    const status = new DataView(buffer, byteOffset);
    for (const name of this.opened.uploads[index]) {
      target.write(name, 0, (name === "inputs" && this.playback.bytes) || this.#memories[name].bytes);
    }
    if (hasMoved(status)) target.write("objects", 0, this.#memories.objects.bytes);
    const before = status.getInt32(0, true);
    if (before !== IDLE) target.run(before, null);
    target.run(index, timed);
    return { level: status.getInt32(4, true), every: status.getInt32(8, true) };
  }

  /** @type {Record<string, (message: any) => void>} */
  #handlers = {
    resize: ({ width, height }) => {
      if (width === this.#size.width && height === this.#size.height) return;
      Object.assign(this.#size, { width, height, changed: true });
      this.filters.resized();
      this.schedule();
    },
    input: (message) => {
      this.#drags.add(message);
      this.schedule();
    },
    reset: () => {
      if (this.opened) this.#hooks.hosts.display?.reset();
      this.schedule();
    },
    settle: ({ id }) => {
      this.#settling.push(id);
      this.schedule();
    },
    overlay: ({ on }) => {
      this.#overlay = on;
      this.#time();
      if (on && this.executor) this.#hooks.hosts.display?.redraw();
      this.schedule();
    },
    pace: ({ on }) => {
      this.#paced = on;
    },
    visible: ({ on }) => {
      this.#visible = on;
      this.#lastTime = 0;
      this.schedule();
    },
    counters: ({ id }) => this.#hooks.tell({ type: "counters", id, calls: this.#calls }),
  };

  /** What Python made is shown from now on. @param {any} answer */
  #take(answer) {
    const host = /** @type {Host} */ (this.#hooks.hosts.display);
    const { filter } = this.#hooks.hosts;
    this.opened = answer;
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
    this.#timer = this.#overlay && this.executor
      ? new PassTimer(this.executor.device, this.opened.structs.SortState.key_count) : null;
  }

  /** @param {number} now */
  #tick(now) {
    const executor = this.executor, host = this.#hooks.hosts.display;
    if (!executor || !host || this.#held) return;
    const started = performance.now();
    const interval = this.#lastTime ? now - this.#lastTime : 0; // 0: the first after a pause
    this.#lastTime = now;
    const size = this.#size;
    if (size.changed) {
      this.#hooks.canvas.width = size.width;
      this.#hooks.canvas.height = size.height;
      executor.resize(size.width, size.height);
      host.redraw();
      size.changed = false;
    }
    const { flying } = this.#drags;
    const came = this.playback.flush();
    this.#calls += 1 + came.calls;
    const index = host.frame(
      Math.min(interval / 1000, flying ? HELD_S : PLAYED_S), size.width, size.height,
      ...this.#drags.take(), came.changed ? 1 : 0, this.objects.take());
    const status = this.#memories.status.bytes;
    this.#calls += this.objects.answer(status);
    const moves = this.asking.tellMoving(status);
    const playing = this.playback.tellClock() || moves;
    if (index >= 0) this.#draw(index, started, interval, playing);
    else if (index === IDLE && this.#inFlight === 0) this.#settle();
    if (flying || playing || index === HELD) this.schedule();
    else if (index === IDLE) this.#rest();
  }

  /** Nothing is to be drawn. */
  #rest() {
    this.#lastTime = 0;
    if (this.#inFlight === 0) this.#calls += this.filters.rest();
  }

  /** @param {number} index @param {number} started @param {number} interval
   * @param {boolean} playing Frames follow by themselves, so that none is the last. */
  #draw(index, started, interval, playing) {
    const target = /** @type {Executor} */ (this.executor);
    const { epoch } = this;
    const waiting = playing ? this.#settling.splice(0) : [];
    const timed = this.#timer && !this.#timer.busy ? this.#timer : null;
    const { level, every } = this.replay(target, index, timed);
    this.following.drawn();
    this.#calls += this.filters.drawn();
    this.filters.govern(level);
    const cpuMs = performance.now() - started;
    const timing = timed?.read().catch(() => null); // the overlay was closed meanwhile
    this.#inFlight += 1;
    target.device.queue.onSubmittedWorkDone().then(async () => {
      if (this.epoch !== epoch) {
        this.#settling.push(...waiting); // for a frame of what is shown now
        this.schedule();
        return;
      }
      this.#inFlight -= 1;
      this.#settle(waiting);
      if (this.#paced) this.#hooks.tell({ type: "pace", cpuMs, intervalMs: interval });
      const times = await timing;
      if (times) this.#hooks.tell({ type: "frame", cpuMs, intervalMs: interval, every, ...times });
      this.schedule(); // one more tick: draws what came meanwhile, or finds that all is settled
    });
  }

  /** @param {number[]} ids Of those who waited for this frame. */
  #settle(ids = this.#settling.splice(0)) {
    for (const id of ids) this.#hooks.tell({ type: "settled", id });
  }
}
