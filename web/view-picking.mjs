/**
 * Picking, on the element's side: clicks, measuring, annotations. Where a point lies is Python's:
 * pyengine/hosts/page_pick.py; what is laid over the scene is view-marks.mjs.
 */

import { Marks } from "./view-marks.mjs";
import { make } from "./view-parts.mjs";
import { VitrineError } from "./view-session.mjs";

/** @import {Annotation, Point} from "./view-marks.mjs" */
/** @import {Seen} from "./view-protocol.mjs" */
/** @import {Session} from "./view-session.mjs" */

/**
 * @typedef {{position: Point, distance: number, object?: string}} Picked
 * @typedef {"" | "measure" | "note"} Tool  What a click does beside telling what was picked.
 * @typedef {{from: Point, to: Point, length: number}} Measurement  In world units.
 * @typedef {object} PickingHooks
 * @property {(event: string, detail: any) => void} tell
 * @property {(text: string) => void} hint
 * @property {(what: string, more: Record<string, unknown>) => Promise<unknown>} ask  Of the view.
 */

/** A pointer that went farther, or was held longer, dragged. */
const CLICK_PX = 5;
const CLICK_MS = 600;
/** The camera has come to rest when it has been still for so long. */
const REST_MS = 150;

const HINTS = { measure: "Measure: click two places, or aim and press Enter", note: "Annotate: click a place, or aim and press Enter" };

export class Picking {
  #stage;
  #hooks;
  /** @type {Session | null} */
  #session = null;
  /** @type {Marks | null} */
  #marks = null;
  /** @type {Tool} */
  #tool = "";
  /** @type {Point[]} */
  #ends = [];
  /** @type {Annotation[]} */
  #notes = [];
  #lastId = 0;
  /** Ids of those that a link brought. @type {Set<string>} */
  #linked = new Set();
  /** A scene was shown, whose marks mean nothing in the next one. */
  #shown = false;
  /** @type {{x: number, y: number, at: number} | null} */
  #pressed = null;
  /** The camera of the last frame, as a text. */
  #camera = "";
  #resting = 0;
  /** While something follows the camera. @type {(() => void) | null} */
  #unfollow = null;
  /** @type {HTMLFormElement | null} */
  #form = null;

  /** @param {HTMLElement} stage @param {PickingHooks} hooks */
  constructor(stage, hooks) {
    this.#stage = stage;
    this.#hooks = hooks;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("dblclick", (event) => this.#try(this.focus(this.#place(event))));
    stage.addEventListener("keydown", (event) => {
      const used = event.key === "Escape" ? this.#escape() : event.key === "Enter" && this.#aim();
      if (!used) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** A scene is shown. @param {Session | null} session */
  begin(session) {
    if (this.#shown) this.#clear();
    this.#shown = true;
    this.#session = session;
    this.#unfollow?.();
    this.#unfollow = null;
    this.#follow();
  }

  /** It is gone. */
  end() {
    clearTimeout(this.#resting);
    if (this.#shown) this.#clear();
    this.#shown = false;
    this.#session = null;
  }

  /**
   * What is seen at a place.
   * @param {[number, number]} place  0 to 1 from the top left corner.
   * @returns {Promise<Picked | null>}  null: the splats cover less than half of the pixel.
   */
  async pick([x, y]) {
    if (!this.#session) throw new VitrineError("disposed", "The view was disposed of.");
    if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) {
      throw new VitrineError("view", "pick: the place lies outside of the element.");
    }
    return (await this.#session.pick(x, y)).value;
  }

  /** Look at what is seen at a place. @param {[number, number]} [place]  The middle unless given. */
  async focus(place = [0.5, 0.5]) {
    const picked = await this.pick(place);
    if (picked) await this.#hooks.ask("focus", { position: picked.position });
  }

  /** @returns {Tool} */
  get tool() {
    return this.#tool;
  }

  /** @param {Tool} tool */
  set tool(tool) {
    if (!["", "measure", "note"].includes(tool)) {
      throw new VitrineError("view", `tool: wanted measure, note or an empty text, got ${tool}`);
    }
    if (this.#tool === "measure") this.#measure([]);
    this.#tool = tool;
    this.#form?.remove();
    this.#form = null;
    this.#overlay().aiming = tool !== "";
    if (tool) this.#hooks.hint(HINTS[tool]);
  }

  /** @returns {Measurement | null} */
  get measurement() {
    const [from, to] = this.#ends;
    return to ? { from, to, length: Math.hypot(...from.map((value, i) => to[i] - value)) } : null;
  }

  /** Show a line between two points; none takes it away. @param {Point[]} ends */
  measure(ends) {
    this.#measure(ends.map((end) => point("measure", end)));
  }

  /** @returns {Annotation[]} */
  get annotations() {
    return structuredClone(this.#notes);
  }

  /** @param {Annotation[]} notes */
  set annotations(notes) {
    if (!Array.isArray(notes)) throw new VitrineError("view", "annotations: wanted a list");
    const made = notes.map((note) => this.#checked(note));
    const ids = made.map(({ id }) => id);
    if (new Set(ids).size < ids.length) throw new VitrineError("view", "annotations: an id is there twice");
    this.#annotate(made);
  }

  /** @param {{position: Point, text: string, id?: string}} note @returns {string} Its id. */
  add(note) {
    const made = this.#checked(note);
    if (this.#notes.some(({ id }) => id === made.id)) {
      throw new VitrineError("view", `annotate: there is one of the id ${made.id}`);
    }
    this.#annotate([...this.#notes, made]);
    return made.id;
  }

  /** @param {string} id @returns {boolean} Whether it was there. */
  remove(id) {
    const left = this.#notes.filter((note) => note.id !== id);
    const was = left.length < this.#notes.length;
    if (was) this.#annotate(left);
    return was;
  }

  /**
   * Show what a link says. One that says nothing takes away what the one before it brought, and leaves
   * what the page or the visitor wrote.
   * @param {{position: Point, text: string}[]} notes
   */
  linked(notes) {
    const kept = notes.length ? [] : this.#notes.filter(({ id }) => !this.#linked.has(id));
    if (!notes.length && kept.length === this.#notes.length) return;
    const made = notes.map((note) => this.#checked(note));
    this.#linked = new Set(made.map(({ id }) => id));
    this.#annotate([...kept, ...made]);
  }

  /** What a visitor asks for by a key. @param {"measure" | "note" | "focus"} key */
  press(key) {
    if (key === "focus") this.#try(this.focus());
    else this.tool = this.#tool === key ? "" : key;
  }

  /** @param {{position: Point, text: string, id?: string}} note @returns {Annotation} */
  #checked({ position, text, id = "" }) {
    if (typeof text !== "string" || !text) throw new VitrineError("view", "annotate: wanted a text");
    let own = id;
    while (!own || (!id && this.#notes.some((known) => known.id === own))) own = `note-${++this.#lastId}`;
    return { id: String(own), position: point("annotate", position), text };
  }

  /** @param {Annotation[]} notes */
  #annotate(notes) {
    this.#notes = notes;
    this.#overlay().annotated(notes);
    this.#hooks.tell("annotations", { annotations: this.annotations });
    this.#follow();
    this.#rest();
  }

  /** @param {Point[]} ends */
  #measure(ends) {
    const had = this.#ends.length;
    this.#ends = ends;
    if (!had && !ends.length) return;
    const length = this.measurement?.length;
    this.#overlay().measured(ends, length === undefined ? "" : told(length));
    this.#hooks.tell("measure", this.measurement);
    this.#follow();
  }

  #clear() {
    this.#measure([]);
    if (this.#tool) this.tool = "";
    if (this.#notes.length) this.#annotate([]);
  }

  #overlay() {
    this.#marks ??= new Marks(this.#stage);
    return this.#marks;
  }

  /** Ask the worker for the camera of each frame while something has to follow it. */
  #follow() {
    const on = this.#marks?.any ?? false;
    if (!this.#session || on === (this.#unfollow !== null)) return;
    this.#unfollow?.();
    this.#unfollow = on ? this.#session.follow((seen) => this.#drawn(seen)) : null;
  }

  /** @param {Seen} drawn */
  #drawn(drawn) {
    this.#marks?.follow(drawn);
    const camera = String(drawn.view) + drawn.lens;
    if (camera !== this.#camera) this.#rest();
    this.#camera = camera;
  }

  /** Look at which labels are hidden, as soon as the camera is still. */
  #rest() {
    clearTimeout(this.#resting);
    if (this.#session && this.#notes.length) this.#resting = setTimeout(() => this.#try(this.#probe()), REST_MS);
  }

  async #probe() {
    const notes = this.#notes;
    const camera = this.#camera;
    const answer = await this.#session?.probe(notes.map(({ position }) => position));
    if (!answer || notes !== this.#notes) return;
    if (camera === this.#camera) this.#overlay().hide(answer.value);
    this.#hooks.tell("annotations-seen", { hidden: answer.value });
  }

  /** @param {PointerEvent} event */
  #down({ button, isPrimary, shiftKey, altKey, clientX: x, clientY: y }) {
    this.#pressed = button || !isPrimary || shiftKey || altKey ? null : { x, y, at: performance.now() };
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const pressed = this.#pressed;
    this.#pressed = null;
    if (!pressed || !this.#session || performance.now() - pressed.at > CLICK_MS) return;
    if (Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > CLICK_PX) return;
    this.#try(this.#use(this.#place(event)));
  }

  /** @param {[number, number]} place */
  async #use(place) {
    const picked = await this.pick(place);
    this.#hooks.tell("pick", picked);
    if (!picked) {
      if (this.#tool) this.#hooks.hint("Nothing is there");
    } else if (this.#tool === "measure") {
      this.#measure([...(this.#ends.length === 1 ? this.#ends : []), picked.position]);
    } else if (this.#tool === "note") this.#write(picked.position);
  }

  /** Enter, while a tool is in the hand: what the cross in the middle points at. */
  #aim() {
    if (!this.#tool || !this.#session) return false;
    this.#try(this.#use([0.5, 0.5]));
    return true;
  }

  /** Escape: what was measured, then the tool. */
  #escape() {
    if (this.#ends.length) this.#measure([]);
    else if (this.#tool) this.tool = "";
    else return false;
    return true;
  }

  /** Ask the visitor for the text of an annotation. @param {Point} position */
  #write(position) {
    this.#form?.remove();
    const input = make("input", "");
    input.type = "text";
    input.maxLength = 200;
    input.placeholder = "Text, then Enter";
    input.setAttribute("aria-label", "Text of the annotation");
    const form = make("form", "", input);
    const close = () => {
      form.remove();
      this.#form = null;
      this.#stage.focus({ preventScroll: true });
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = input.value.trim();
      close();
      if (text) this.add({ position, text });
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      event.stopPropagation();
    });
    this.#form = form;
    this.#overlay().element.append(form);
    input.focus();
  }

  /** @param {MouseEvent} event @returns {[number, number]} */
  #place({ clientX, clientY }) {
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    const share = (/** @type {number} */ px, /** @type {number} */ size) => Math.min(0.999999, Math.max(0, px / size));
    return [share(clientX - left, width), share(clientY - top, height)];
  }

  /** @param {Promise<unknown>} work */
  #try(work) {
    work.catch((error) => error.code !== "disposed" && this.#hooks.hint(error.message));
  }
}

/** @param {string} what @param {unknown} value @returns {Point} */
function point(what, value) {
  const numbers = Array.isArray(value) ? value.map(Number) : [];
  if (numbers.length !== 3 || !numbers.every(Number.isFinite)) {
    throw new VitrineError("view", `${what}: wanted a point of three numbers, got ${JSON.stringify(value)}`);
  }
  return /** @type {Point} */ (numbers);
}

/** A length to three digits. @param {number} length */
const told = (length) => length >= 1000 || length < 0.001 ? length.toExponential(2) : String(Number(length.toPrecision(3)));
