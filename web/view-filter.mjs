/**
 * Filters on the element's side: which one is on, the controls that pick it and say how it is
 * shown, and the line between before and after.
 */

import { Dials } from "./view-dials.mjs";
import { numbersOf } from "./view-input.mjs";
import { VitrineError } from "./view-session.mjs";

/** @import {FilterInfo, FilterState} from "./view-protocol.mjs" */
/** @import {Session} from "./view-session.mjs" */

/** @typedef {{strength?: number, split?: number}} Look  0 to 1 both. */

const NONE = "none";
const STEP = 0.01;
const HALF = 0.5;

export class FilterControls {
  /** What is on; empty: nothing. */
  name = "";
  /** What the attribute asks for; empty: what the scene begins with. */
  wish = "";
  #tell;
  #picker = document.createElement("select");
  #strength;
  #inputs;
  #split = document.createElement("button");
  /** @type {FilterInfo[]} */
  #listed = [];
  /** @type {Session | null} */
  #session = null;
  /** Values of sliders that were turned, by filter and input. @type {Map<string, number>} */
  #turned = new Map();
  /** @type {Map<string, number>} */
  #strengths = new Map();
  #at = 0;

  /**
   * @param {HTMLElement} room  For the controls; hidden while a scene has no filter.
   * @param {(message: string) => void} tell  A line for the visitor.
   */
  constructor(room, tell) {
    this.#tell = tell;
    this.room = room;
    const none = { kind: () => null, pick: () => {}, camera: () => {}, microphone: () => {} };
    this.#strength = new Dials({ ...none, turn: (_, value) => this.#look({ strength: value }) });
    this.#inputs = new Dials({ ...none, turn: (name, value) => this.#turn(name, value) });
    this.#picker.setAttribute("aria-label", "Filter");
    this.#picker.addEventListener("change", () => {
      this.set(this.#picker.value).catch(({ message }) => tell(message));
    });
    const row = document.createElement("label");
    row.className = "filter";
    row.append("Filter", this.#picker);
    this.#split.type = "button";
    this.#split.className = "text";
    this.#split.textContent = "Before | after";
    this.#split.addEventListener("click", () => this.#divide(this.#at > 0 ? 0 : HALF));
    this.room.append(row, this.#strength.body, this.#inputs.body, this.#split);
    this.divider = this.#makeDivider();
    this.#describe();
  }

  /** A scene is shown. @param {FilterInfo[]} listed @param {Session | null} session */
  begin(listed, session) {
    this.#listed = listed;
    this.#session = session;
    this.name = listed.find(({ on }) => on)?.name ?? "";
    this.#at = 0;
    this.#turned.clear();
    this.#strengths.clear();
    this.#picker.replaceChildren(...[NONE, ...listed.map(({ name }) => name)].map((name) => {
      const option = document.createElement("option");
      option.value = name === NONE ? "" : name;
      option.textContent = name === NONE ? "None" : name;
      return option;
    }));
    this.#describe();
  }

  /**
   * @param {string | null} name  Empty: none.
   * @param {Look} [look]
   */
  async set(name, look = {}) {
    const wanted = name === NONE ? "" : name ?? "";
    if (!this.#session) throw new VitrineError("filter", "No scene is loaded.");
    for (const [key, value] of Object.entries(look)) {
      if (value === undefined || (value >= 0 && value <= 1)) continue;
      throw new VitrineError("filter", `${key}: wanted a number from 0 to 1, got ${value}.`);
    }
    try {
      await this.#session.setFilter(wanted, look);
    } finally {
      this.#picker.value = this.name;
    }
    if (look.strength !== undefined) this.#strengths.set(wanted, look.strength);
    if (look.split !== undefined) this.#at = look.split;
    this.#describe();
  }

  /** @param {string} name Of an input of the one that is on. */
  has(name) {
    return this.#info?.inputs.some((feed) => feed.name === name) ?? false;
  }

  /**
   * @param {string} name
   * @param {number | ArrayLike<number> | null} values
   */
  async setInput(name, values) {
    const numbers = numbersOf(values);
    await this.#session?.setInput(name, numbers);
    const feed = this.#info?.inputs.find((item) => item.name === name);
    const value = numbers ? numbers[0] : feed?.control?.default ?? 0;
    this.#turned.set(`${this.name}/${name}`, value);
    this.#inputs.show(name, value);
  }

  /** What the worker says. @param {FilterState} state */
  tick(state) {
    const { message } = state;
    // The first frame takes away what was said before it.
    if (message) this.#session?.settled().then(() => this.#tell(message), () => {});
    if (state.name === this.name) return;
    this.name = state.name;
    this.#describe();
  }

  /** Labels of the stages of the one that is on. */
  get stages() {
    return this.#info?.stages ?? [];
  }

  get #info() {
    return this.#listed.find(({ name }) => name === this.name);
  }

  /** Show what there is to pick and to turn. */
  #describe() {
    const info = this.#info;
    this.room.hidden = !this.#listed.length;
    this.#picker.value = this.name;
    const strength = { label: "Strength", min: 0, max: 1, default: info?.strength ?? 1 };
    const feed = { name: "strength", role: "control", control: strength };
    this.#strength.describe(/** @type {any[]} */ (info ? [feed] : []));
    this.#strength.show("strength", this.#strengths.get(this.name) ?? strength.default);
    this.#inputs.describe(info?.inputs ?? []);
    for (const { name } of info?.inputs ?? []) {
      const value = this.#turned.get(`${this.name}/${name}`);
      if (value !== undefined) this.#inputs.show(name, value);
    }
    this.#split.hidden = !info;
    this.#split.setAttribute("aria-pressed", String(this.#at > 0));
    this.#place();
  }

  /** @param {string} name @param {number} value */
  #turn(name, value) {
    this.#turned.set(`${this.name}/${name}`, value);
    this.#session?.setInput(name, [value]).catch(() => {});
  }

  /** @param {Look} look */
  #look(look) {
    if (look.strength !== undefined) this.#strengths.set(this.name, look.strength);
    this.#session?.post({ type: "look", ...look });
  }

  /** @param {number} at  Share of the width that is shown as it was. */
  #divide(at) {
    this.#at = Math.min(1, Math.max(0, at));
    this.#look({ split: this.#at });
    this.#split.setAttribute("aria-pressed", String(this.#at > 0));
    this.#place();
  }

  #place() {
    this.divider.hidden = !this.#info || this.#at <= 0;
    this.divider.style.left = `${100 * this.#at}%`;
    this.divider.ariaValueNow = String(Math.round(100 * this.#at));
    this.divider.ariaValueText = `${Math.round(100 * this.#at)} % before`;
  }

  #makeDivider() {
    const divider = document.createElement("div");
    divider.className = "divider";
    divider.tabIndex = 0;
    divider.setAttribute("role", "slider");
    divider.setAttribute("aria-label", "Before and after");
    divider.setAttribute("aria-valuemin", "0");
    divider.setAttribute("aria-valuemax", "100");
    divider.addEventListener("pointerdown", (event) => {
      divider.setPointerCapture(event.pointerId);
      event.stopPropagation();
    });
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const { left, width } = /** @type {HTMLElement} */ (divider.parentElement).getBoundingClientRect();
      this.#divide(Math.max(STEP, (event.clientX - left) / width));
    });
    divider.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      const end = { Home: STEP, End: 1 }[event.key];
      if (way) this.#divide(Math.max(STEP, this.#at + way * STEP * (event.shiftKey ? 10 : 1)));
      else if (end) this.#divide(end);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return divider;
  }
}
