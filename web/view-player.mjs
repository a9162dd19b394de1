/**
 * A generator's side of the element: its clip, its inputs and what feeds them. It keeps what the
 * page asked for before the scene was there, and gives the timeline and the panel of inputs.
 */

import { Dials } from "./view-dials.mjs";
import { numbersOf } from "./view-input.mjs";
import { Media } from "./view-media.mjs";
import { Motion } from "./view-motion.mjs";
import { VitrineError } from "./view-session.mjs";
import { Timeline } from "./view-timeline.mjs";

/** @import {Clock, Feed, GeneratorInfo, SceneInfo} from "./view-protocol.mjs" */
/** @import {Session} from "./view-session.mjs" */

/**
 * @typedef {object} PlayerHooks
 * @property {() => Promise<unknown>} ready  The scene is loaded.
 * @property {(event: string, detail: object) => void} tell
 * @property {(message: string) => void} hint  For the visitor.
 * @property {() => {autoplay: boolean, speed: number, loop: boolean | null}} wishes  Attributes.
 */

/** @type {Clock} */
const START = { time: 0, phase: 0, playing: false, speed: 1, steps: 0 };
/** Roles for which time goes on, and those that can be at any time at once. */
const TIMED = new Set(["time", "phase", "frame"]);

export class Player {
  clock = START;
  /** Whether the clip begins again at its end. */
  loops = true;
  speed = 1;
  #hooks;
  #media = new Media({
    image: (name, bitmap) => this.#session?.post({ type: "image", name, bitmap }, [bitmap]),
    bands: (name, bands) => this.#session?.post({ type: "bands", name, bands }),
    changed: () => this.dials.refresh(),
  });
  /** @type {Session | null} */
  #session = null;
  /** @type {GeneratorInfo | null} */
  #info = null;
  /** Asked for before there was a scene. @type {{play?: boolean, time?: number}} */
  #wanted = {};
  #still = new Motion(() => {
    if (this.clock.playing) this.play(false);
  });

  /** @param {HTMLElement} stage  Whose pointer a generator may follow. @param {PlayerHooks} hooks */
  constructor(stage, hooks) {
    this.#hooks = hooks;
    this.timeline = new Timeline({
      play: (on) => this.play(on),
      seek: (time_s) => this.seek(time_s),
      restart: () => this.restart(),
      speed: (speed) => this.setSpeed(speed),
      loop: (on) => this.setLoop(on),
    });
    this.dials = new Dials({
      turn: (name, value) => void this.#session?.setInput(name, [value]).catch(() => {}),
      pick: (name, file) => this.#try(this.setImage(name, file)),
      camera: (name) => this.#toggle(name, "camera", () => this.useCamera(name)),
      microphone: (name) => this.#toggle(name, "microphone", () => this.useMicrophone(name)),
      kind: (name) => this.#media.kind(name),
    });
    for (const type of /** @type {const} */ (["pointermove", "pointerdown", "pointerup", "pointercancel"])) {
      stage.addEventListener(type, (event) => this.#point(stage, event));
    }
  }

  /** @param {string} name Of an input. */
  has(name) {
    return this.#info?.feeds.some((feed) => feed.name === name) ?? false;
  }

  /** When a scene is shown. */
  begun() {
    return this.#hooks.ready();
  }

  /** Whether the visitor prefers that nothing moves by itself. */
  get still() {
    return this.#still.matches;
  }

  /** Whether there is a clip, or something else that goes on. */
  get plays() {
    return this.#info?.feeds.some(({ role, track }) => TIMED.has(role) || role === "state" || track) ?? false;
  }

  get duration() {
    return this.#info?.clip?.duration ?? Infinity;
  }

  /**
   * A scene is shown.
   * @param {SceneInfo} scene
   * @param {Session | null} session
   */
  begin({ generator }, session) {
    this.#media.end();
    this.#still.listens = true;
    this.#session = session;
    this.#info = generator ?? null;
    this.clock = START;
    const feeds = this.#info?.feeds ?? [];
    this.timeline.describe(this.plays ? this.#info : null, !feeds.some(({ role }) => role === "state"));
    this.dials.describe(feeds);
    const { play: wished, time } = this.#wanted;
    this.#wanted = {};
    if (!this.#info) return;
    const { autoplay, speed, loop } = this.#hooks.wishes();
    this.setLoop(loop);
    this.setSpeed(speed);
    const play = wished ?? (autoplay && !this.#still.matches);
    if (time !== undefined) this.seek(time);
    if (play && this.plays) this.play(true);
    this.timeline.show(this.clock);
  }

  /** The scene is gone. */
  end() {
    this.#media.end();
    this.#still.listens = false;
    this.#session = this.#info = null;
    this.clock = START;
    this.timeline.describe(null, false);
    this.dials.describe([]);
  }

  /** What the worker told. @param {Clock} clock */
  tick({ time, phase, playing, speed, steps }) {
    const before = this.clock;
    this.clock = { time, phase, playing, speed, steps };
    this.timeline.show(this.clock);
    if (time !== before.time) this.#hooks.tell("timeupdate", { time, phase });
    if (playing !== before.playing) this.#hooks.tell(playing ? "play" : "pause", { time, phase });
  }

  /** @param {boolean} on */
  play(on) {
    if (this.#session) this.#session.post({ type: "play", on });
    else this.#wanted.play = on;
  }

  /** Play or pause; whether there is anything to play. */
  toggle() {
    if (this.plays) this.play(!this.clock.playing);
    return this.plays;
  }

  /** @param {number} time_s */
  seek(time_s) {
    if (!Number.isFinite(time_s)) throw new TypeError(`a time is a number of seconds, got ${time_s}`);
    if (this.#session) this.#session.post({ type: "seek", time: time_s });
    else this.#wanted.time = time_s;
  }

  /** Back to the start: the time, and the state of a generator that has one. */
  restart() {
    this.seek(0); // first: a frame may come between the two, and a first step is one of time 0
    this.#session?.post({ type: "restart" });
  }

  /** @param {number} speed */
  setSpeed(speed) {
    this.speed = this.timeline.speed = speed;
    this.#session?.post({ type: "speed", speed });
  }

  /** @param {boolean | null} wish  null: as the clip says. */
  setLoop(wish) {
    const on = wish ?? this.#info?.clip?.loop ?? true;
    this.loops = this.timeline.loop = on;
    this.#session?.post({ type: "loop", on });
  }

  /**
   * @param {string} name
   * @param {number | ArrayLike<number> | null} values
   */
  async setInput(name, values) {
    await this.#hooks.ready();
    const feed = this.#feed(name);
    const numbers = numbersOf(values);
    await this.#session?.setInput(feed.name, numbers);
    if (feed.control) this.dials.show(feed.name, numbers ? numbers[0] : feed.control.default);
  }

  /**
   * @param {string} name
   * @param {ImageBitmapSource | string | URL} source
   */
  async setImage(name, source) {
    await this.#hooks.ready();
    await this.#media.image(this.#feed(name, "image").name, source);
  }

  /** @param {string} [name] */
  async useCamera(name) {
    await this.#hooks.ready();
    await this.#media.camera(this.#feed(name, "image").name);
  }

  /** @param {string} [name] */
  async useMicrophone(name) {
    await this.#hooks.ready();
    const feed = this.#feed(name, "audio.mel");
    await this.#media.microphone(feed.name, ...soundShape(feed));
  }

  /**
   * @param {string | undefined} name
   * @param {HTMLMediaElement} element
   */
  async useAudio(name, element) {
    await this.#hooks.ready();
    const feed = this.#feed(name, "audio.mel");
    await this.#media.audio(feed.name, ...soundShape(feed), element);
  }

  /** End the camera, microphone or audio element of an input. @param {string} name */
  release(name) {
    this.#media.release(name);
  }

  /** Show a picture that was dropped; false where it is none, or nothing takes one. @param {File} file */
  drop(file) {
    const name = this.#info?.feeds.find(({ role }) => role === "image")?.name;
    if (!name || !file.type.startsWith("image/")) return false;
    this.#try(this.setImage(name, file));
    return true;
  }

  /**
   * The input of a name, or the first one of a role.
   * @param {string | undefined} name
   * @param {string} [role]
   * @returns {Feed}
   */
  #feed(name, role) {
    const feeds = this.#info?.feeds ?? [];
    const found = feeds.find((feed) => (name ? feed.name === name : feed.role === role));
    if (found && (!role || found.role === role)) return found;
    const fitting = feeds.filter((feed) => !role || feed.role === role).map((feed) => feed.name);
    throw new VitrineError(
      "input",
      `This scene has no ${role ?? ""} input ${name ?? ""}`.replace(/ +/g, " ").trimEnd() +
        (fitting.length ? `; it has ${fitting.join(", ")}.` : "."),
    );
  }

  /**
   * A button that begins, or ends what it has begun.
   * @param {string} name
   * @param {string} kind
   * @param {() => Promise<void>} begin
   */
  #toggle(name, kind, begin) {
    if (this.#media.kind(name) === kind) this.release(name);
    else this.#try(begin());
  }

  /** @param {Promise<void>} work */
  #try(work) {
    work.catch((error) => this.#hooks.hint(error.message));
  }

  /**
   * @param {HTMLElement} stage
   * @param {PointerEvent} event
   */
  #point(stage, event) {
    if (!this.#info?.feeds.some(({ role }) => role === "pointer")) return;
    const { left, top, width, height } = stage.getBoundingClientRect();
    const x = (2 * (event.clientX - left)) / width - 1;
    const y = 1 - (2 * (event.clientY - top)) / height;
    const pressed = event.buttons > 0 && event.type !== "pointercancel";
    const cut = (/** @type {number} */ at) => Math.min(1, Math.max(-1, at || 0));
    this.#session?.post({ type: "pointer", x: cut(x), y: cut(y), pressed });
  }
}

/**
 * Bands and remembered frames of an input of sound.
 * @param {Feed} feed
 * @returns {[number, number]}
 */
function soundShape({ shape, batched }) {
  const own = batched ? shape.slice(1) : shape;
  const bands = own[own.length - 1];
  return [bands, own.slice(0, -1).reduce((all, n) => all * n, 1)];
}
