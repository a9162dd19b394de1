/** The bar with which a clip is played: play, time, speed, loop. It knows nothing of the engine. */

import { ICONS } from "./view-icons.mjs";

/** @import {Clock, GeneratorInfo} from "./view-protocol.mjs" */

/**
 * @typedef {object} TimelineHooks
 * @property {(on: boolean) => void} play
 * @property {(time_s: number) => void} seek
 * @property {() => void} restart
 * @property {(speed: number) => void} speed
 * @property {(on: boolean) => void} loop
 */

/** @type {[number, string][]} */
const SPEEDS = [[0.25, "¼×"], [0.5, "½×"], [1, "1×"], [1.5, "1½×"], [2, "2×"], [4, "4×"]];
/** Of the slider, over the whole clip. */
const STEPS = 1000;

export class Timeline {
  #hooks;
  #play = button("play", "Play", "Space");
  #restart = button("restart", "From the start");
  #loop = button("loop", "Loop");
  #scrub = document.createElement("input");
  #text = document.createElement("span");
  #now = document.createElement("span");
  #all = document.createElement("span");
  #speed = document.createElement("select");
  #duration_s = 0;
  #clock = { time: 0, playing: false };
  /** A hand is on the slider: it was playing before, or it was not. @type {boolean | null} */
  #held = null;

  /** @param {TimelineHooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
    this.element = document.createElement("div");
    this.element.className = "panel player";
    this.element.hidden = true;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Playback");
    this.#play.addEventListener("click", () => hooks.play(!this.#clock.playing));
    this.#restart.addEventListener("click", () => hooks.restart());
    this.#loop.addEventListener("click", () =>
      hooks.loop(this.#loop.getAttribute("aria-pressed") !== "true"));
    this.#scrub.type = "range";
    this.#scrub.className = "scrub";
    this.#scrub.min = "0";
    this.#scrub.setAttribute("aria-label", "Time");
    this.#scrub.addEventListener("input", () => this.#scrubbed());
    for (const end of ["change", "pointercancel", "blur"]) {
      this.#scrub.addEventListener(end, () => this.#letGo());
    }
    this.#text.className = "time";
    this.#all.className = "all";
    this.#text.append(this.#now, this.#all);
    this.#speed.setAttribute("aria-label", "Speed");
    this.#speed.title = "Speed";
    this.#speed.append(...SPEEDS.map(([speed, text]) => new Option(text, String(speed))));
    this.#speed.addEventListener("change", () => hooks.speed(Number(this.#speed.value)));
    this.element.append(
      this.#play, this.#restart, this.#scrub, this.#text, this.#speed, this.#loop);
  }

  /**
   * For another scene.
   * @param {GeneratorInfo | null} info  null: there is nothing to play.
   * @param {boolean} scrubs  Whether any time can be gone to.
   */
  describe(info, scrubs) {
    this.element.hidden = !info;
    this.#duration_s = info?.clip?.duration ?? 0;
    const clip = this.#duration_s > 0;
    this.#scrub.hidden = !clip || !scrubs;
    this.#restart.hidden = clip && scrubs;
    this.#loop.hidden = !clip;
    this.element.classList.toggle("short", this.#scrub.hidden);
    this.#scrub.max = String(this.#duration_s);
    this.#scrub.step = String(this.#duration_s / STEPS);
    this.#all.textContent = clip ? ` / ${clockText(this.#duration_s, this.#duration_s)}` : "";
    this.#held = null;
  }

  /** @param {Pick<Clock, "time" | "playing">} clock */
  show({ time, playing }) {
    this.#clock = { time, playing };
    this.element.classList.toggle("playing", playing);
    if (this.#held === null) {
      const label = playing ? "Pause" : "Play";
      if (this.#play.getAttribute("aria-label") !== label) {
        this.#play.innerHTML = playing ? ICONS.pause : ICONS.play;
        this.#play.setAttribute("aria-label", label);
        this.#play.title = `${label} (Space)`;
      }
      this.#place(time);
    }
  }

  /** @param {boolean} on */
  set loop(on) {
    this.#loop.setAttribute("aria-pressed", String(on));
  }

  /** @param {number} speed  One that is not offered is added. */
  set speed(speed) {
    const options = [...this.#speed.options];
    options.filter(({ dataset }) => dataset.added).forEach((option) => option.remove());
    if (!options.some(({ value, dataset }) => !dataset.added && Number(value) === speed)) {
      const option = new Option(`${Number(speed.toFixed(2))}×`, String(speed));
      option.dataset.added = "1";
      this.#speed.append(option);
    }
    this.#speed.value = String(speed);
  }

  /** @param {number} time_s */
  #place(time_s) {
    this.#scrub.value = String(time_s);
    const share = this.#duration_s ? Math.min(1, time_s / this.#duration_s) : 0;
    this.#scrub.style.setProperty("--at", `${(100 * share).toFixed(2)}%`);
    const text = clockText(time_s, this.#duration_s || time_s);
    if (this.#now.textContent === text) return;
    this.#now.textContent = text;
    this.#scrub.setAttribute("aria-valuetext", `${time_s.toFixed(1)} s`);
  }

  /** It stands still under the hand, and goes on from where it is let go. */
  #scrubbed() {
    if (this.#held === null) {
      this.#held = this.#clock.playing;
      if (this.#held) this.#hooks.play(false);
    }
    const time_s = Number(this.#scrub.value);
    this.#place(time_s);
    this.#hooks.seek(time_s);
  }

  #letGo() {
    const held = this.#held;
    this.#held = null;
    if (held) this.#hooks.play(true);
  }
}

/**
 * @param {"play" | "restart" | "loop"} icon
 * @param {string} label
 * @param {string} [key]
 */
function button(icon, label, key) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "icon";
  made.innerHTML = ICONS[icon];
  made.title = key ? `${label} (${key})` : label;
  made.setAttribute("aria-label", label);
  if (key) made.setAttribute("aria-keyshortcuts", key);
  return made;
}

/**
 * Seconds and tenths, and minutes where there are any.
 * @param {number} time_s
 * @param {number} most_s
 */
function clockText(time_s, most_s) {
  const tenths = Math.round(10 * time_s);
  const seconds = ((tenths % 600) / 10).toFixed(1);
  return most_s < 60 ? seconds : `${Math.floor(tenths / 600)}:${seconds.padStart(4, "0")}`;
}
