/**
 * The view's side of the element: what the worker knows of the camera and the look, the panel that
 * shows it, and the link to it. What any of it means is Python's: pyengine/hosts/page_view.py.
 */

import { download } from "./view-capture.mjs";
import { Hash } from "./view-hash.mjs";
import { follow, viewWishes } from "./view-looking.mjs";
import { Motion } from "./view-motion.mjs";
import { legendOf, nextMode } from "./view-mode.mjs";
import { Panel } from "./view-panel.mjs";
import { PICKING } from "./view-pick.mjs";
import { Picking } from "./view-picking.mjs";
import { VitrineError } from "./view-session.mjs";

/** @import {FilmAsked, Moving, PictureAsked, SceneInfo, Seen, ViewState} from "./view-protocol.mjs" */
/** @import {LookingElement} from "./view-looking.mjs" */
/** @import {Session} from "./view-session.mjs" */

/**
 * @typedef {object} ViewingHooks
 * @property {() => Promise<unknown>} ready  The scene is loaded.
 * @property {(event: string, detail: object) => void} tell
 * @property {(text: string) => void} hint  A line for the visitor.
 * @property {() => {width: number, height: number}} size  Of the canvas, device pixels.
 * @property {(message: string) => void} complain  Something in a link is wrong.
 *
 * @typedef {object} Opened  A link, as far as it is not the view's alone.
 * @property {boolean} opened
 * @property {string[]} problems
 * @property {number | null} [time]
 * @property {boolean | null} [playing]
 * @property {string | null} [filter]
 * @property {{strength?: number, split?: number}} [look]
 * @property {Record<string, number[] | null>} [inputs]
 * @property {string} [show]  The render mode.
 * @property {Pick<import("./view-marks.mjs").Annotation, "position" | "text">[]} [notes]
 * @property {import("./view-protocol.mjs").SceneObject[]} [objects]  All, as they stand now.
 */

/** Messages that change nothing that a link says. */
const SILENT = new Set(["init", "resize", "visible", "settle", "overlay", "picture", "film", "cancel", "pointer", "bands", "image",
  "pick", "probe", "follow", "mode"]);
const READING = new Set(["state", "share"]);
const COLOURS = "colour";

export class Viewing {
  /** What the worker told last. @type {ViewState | null} */
  state = null;
  /** What moves the camera by itself. @type {Moving} */
  moving = "";
  #element;
  #hooks;
  #picking;
  /** @type {Session | null} */
  #session = null;
  /** Whoever watches is told no longer. */
  #unwatch = () => {};
  /** What is drawn: "colour", or a mode. */
  #shown = COLOURS;
  /** When what is to be drawn is. @type {Promise<void>} */
  #drawing = Promise.resolve();
  /** When what the attributes and the address say has been done. @type {Promise<unknown>} */
  #begun = Promise.resolve();
  #still = new Motion(() => {
    if (this.moving === "turntable") this.#try(this.#ask("stop"));
  });
  #hash = new Hash({
    text: async () => this.#session && !this.moving ? (await this.#share()).text : "",
    open: (text) => {
      this.#begun = this.#open(text).catch(() => {});
    },
  });

  /** @param {LookingElement} element @param {ViewingHooks} hooks */
  constructor(element, hooks) {
    this.#element = element;
    this.#hooks = hooks;
    const arranging = /** @type {import("./view-arranging.mjs").ArrangingElement} */ (element);
    this.panel = new Panel(arranging, {
      attempt: (work) => void this.#try(work),
      act: (what, more) => void this.#try(this.#ask(what, more)),
      link: () => void this.#try(this.copy()),
      mode: (mode) => {
        element.mode = mode;
      },
      picture: ({ scale, transparent }) => this.#try(this.#save(scale, transparent)),
      film: (options) => this.#try(this.#record(options)),
    });
    const stage = /** @type {HTMLElement} */ (element.shadowRoot?.querySelector(".stage"));
    const { hint } = hooks;
    const tell = (/** @type {string} */ event, /** @type {any} */ detail) => {
      hooks.tell(event, detail);
      if (event === "annotations") this.#hash.touch();
    };
    this.#picking = element[PICKING] = new Picking(stage, { tell, hint, ask: this.ask.bind(this) });
  }

  /** What attributes and address say has been done. */
  get begun() {
    return this.#begun;
  }

  /** A scene is shown.
   * @param {SceneInfo} info @param {Session | null} session @param {unknown} source  Where it is from. */
  begin(info, session, source) {
    this.#session = session;
    this.#still.listens = true;
    this.state = null;
    this.#picking.begin(session);
    this.panel.begin(info);
    if (session) session.onpost = (type) => !SILENT.has(type) && type !== "ask" && this.#hash.touch();
    this.#begun = this.#wish(viewWishes(this.#element));
    this.#hash.on = this.#element.hash;
    this.#hash.begin(source);
    if (!this.panel.element.hidden) this.refresh();
  }

  /** The scene is gone. */
  end() {
    this.#hash.on = this.#still.listens = false;
    this.#picking.end();
    this.#session = null;
    this.moving = "";
    this.#shown = COLOURS;
  }

  /** An attribute changed. @param {Record<string, unknown>[]} wishes  What it asks. */
  wish(wishes) {
    if (!this.#session) return; // `begin` looks at all of them
    this.#hash.on = this.#element.hash;
    this.#wish(wishes);
  }

  /** @param {{what: Moving}} message  From the worker. */
  moved({ what }) {
    this.moving = what;
    this.#hooks.tell("camera", { moving: what });
    if (this.state) this.refresh();
    if (!what) this.#hash.touch();
  }

  /** Ask what the state is, where somebody looks. */
  refresh() {
    this.#try(this.#ask("state"));
  }

  /**
   * Do something to the view when it is there; rejects with the code `view`.
   * @param {string} what
   * @param {Record<string, unknown>} [more]
   */
  async ask(what, more) {
    await this.#hooks.ready();
    return this.#ask(what, more);
  }

  /** Be told of the camera of each frame; no longer for null. @param {((seen: Seen) => void) | null} follow */
  watch(follow) {
    this.#unwatch();
    this.#unwatch = (follow && this.#session?.follow(follow)) || (() => {});
  }

  /** Change an object; rejects with the code `object`. @param {string} name @param {object} changes */
  async setObject(name, changes) {
    await this.#hooks.ready();
    if (!this.#session) throw new VitrineError("disposed", "The view was disposed of.");
    return this.#session.setObject(name, changes);
  }

  /**
   * What a visitor asks for by a key.
   * @param {"add" | "link" | "save" | "turn" | "tour" | "fly" | "measure" | "note" | "focus" | "mode" | number} key
   */
  press(key) {
    if (key === "measure" || key === "note" || key === "focus") this.#picking.press(key);
    else if (key === "mode") this.#next();
    else if (typeof key === "number") this.#try(this.#ask("go", { index: key - 1 }));
    else if (key === "add") this.#try(this.#add());
    else if (key === "link") this.#try(this.copy());
    else if (key === "save") this.#try(this.panel.capture.save());
    else this.#try(this.#toggle(key));
  }

  async #add() {
    this.#hooks.hint(`Bookmark: ${(await this.#ask("add")).value}`);
  }

  /** The turntable, the path, the other kind of drag: on, and off again. @param {"turn" | "tour" | "fly"} key */
  async #toggle(key) {
    const { mode, moving } = (await this.#ask("state")).state;
    if (key === "turn") await (mode === "turntable" ? this.#ask("stop") : this.#ask("mode", { mode: "turntable" }));
    else if (key === "tour") await (moving === "path" ? this.#ask("stop") : this.#ask("path", { play: true }));
    else {
      const flies = mode !== "fly";
      await this.#ask("mode", { mode: flies ? "fly" : "orbit" });
      this.#hooks.hint(flies ? "Fly: drag to look, W A S D to move" : "Orbit: drag to turn");
    }
  }

  /** The page's address with the view in it. */
  async link() {
    return address((await this.#share()).text);
  }

  async copy() {
    const { text, leftOut } = await this.#share();
    const without = leftOut ? `; it has no room for ${leftOut} objects and annotations` : "";
    try {
      await navigator.clipboard.writeText(address(text));
      this.#hooks.hint(`Link copied${without}`);
    } catch {
      history.replaceState(history.state, "", address(text));
      this.#hooks.hint(`The link is in the address bar${without}`);
    }
  }

  /** The text of a link, with what only the page knows in it. @returns {Promise<{text: string, leftOut: number}>} */
  async #share() {
    await this.#hooks.ready();
    const notes = this.#picking.annotations.map(({ position, text }) => ({ position, text }));
    return (await this.#ask("share", { show: this.#shown, notes })).value;
  }

  /** The next mode, and what its colours mean. */
  #next() {
    const mode = nextMode(this.#element.mode);
    this.#element.mode = mode;
    this.#hooks.hint(legendOf(mode) || "Colours");
  }

  /** Draw something else than colours, or colours again. @param {string} mode */
  #draw(mode) {
    return this.#drawing = this.#render(mode);
  }

  /** @param {string} mode */
  async #render(mode) {
    const drawn = (await this.#session?.render(mode))?.value || COLOURS;
    this.#shown = drawn;
    this.panel.mode.show(drawn);
    this.#hooks.tell("mode", { mode: drawn });
    this.#hash.touch();
  }

  /** @param {Record<string, unknown>[]} wishes */
  #wish(wishes) {
    const wanted = wishes.filter(({ mode }) => mode !== "turntable" || !this.#still.matches);
    return Promise.all(wanted.map(({ do: what, ...more }) =>
      (what === "render" ? this.#draw(String(more.mode)) : this.#ask(String(what), more)).catch(({ message }) => this.#complain(message))));
  }

  /**
   * A picture of the view, of the canvas's size unless told.
   * @param {Partial<PictureAsked> & {type?: string}} [asked]
   * @returns {Promise<Blob>}
   */
  async picture({ width, height, transparent, type = "image/png", quality } = {}) {
    await this.#hooks.ready();
    const size = this.#sized(width, height);
    return (await this.#live.picture({ ...size, transparent, kind: type, quality })).value;
  }

  /**
   * A film of the view, frame by frame.
   * @param {Partial<FilmAsked> & {type?: string, signal?: AbortSignal, progress?: (done: number, total: number) => void}} [asked]
   * @returns {Promise<Blob>}
   */
  async film({ what = "turntable", width, height, type, signal, progress = () => {}, ...more } = {}) {
    await this.#hooks.ready();
    signal?.throwIfAborted();
    const size = this.#sized(width, height);
    const { answer, cancel } = this.#live.film({ ...more, what, ...size, kind: type }, progress);
    signal?.addEventListener("abort", cancel);
    try {
      return (await answer).value;
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  get #live() {
    if (!this.#session) throw new VitrineError("disposed", "The view was disposed of.");
    return this.#session;
  }

  /** Pixels: of one side that is given the other follows. @param {number} [width] @param {number} [height] */
  #sized(width, height) {
    const shown = this.#hooks.size();
    const ratio = shown.width / shown.height;
    if (width === undefined && height === undefined) return shown;
    return {
      width: width ?? Math.max(1, Math.round(/** @type {number} */ (height) * ratio)),
      height: height ?? Math.max(1, Math.round(/** @type {number} */ (width) / ratio)),
    };
  }

  /** @param {number} scale @param {boolean} transparent */
  async #save(scale, transparent) {
    const { width, height } = this.#hooks.size();
    download(await this.picture({ width: width * scale, height: height * scale, transparent }), "png");
    this.#hooks.hint(`Picture saved: ${width * scale} × ${height * scale}`);
  }

  /** @param {import("./view-capture.mjs").FilmOptions} options */
  async #record(options) {
    const film = await this.film(options);
    download(film, film.type.replace("video/", ""));
    this.#hooks.hint("Video saved");
  }

  /** @param {string} text */
  async #open(text) {
    const { value } = await this.#ask("open", { text, rest: this.#still.matches });
    /** @type {Opened} */
    const opened = value;
    const rest = opened.opened ? await Promise.allSettled(follow(this.#element, opened)) : [];
    const failed = rest.flatMap((one) => one.status === "rejected" ? [one.reason.message] : []);
    await this.#drawing.catch(() => {}); // told by whoever asked for it
    const problems = [...opened.problems, ...failed];
    if (problems.length) this.#complain(problems.join(". "));
  }

  /** The first frame takes away what was said before it. @param {string} message */
  #complain(message) {
    this.#session?.settled().then(() => this.#hooks.complain(message), () => {});
  }

  /** @param {string} what @param {Record<string, unknown>} [more] */
  async #ask(what, more = {}) {
    const seconds = more.seconds ?? (what === "go" && this.#still.matches ? 0 : undefined);
    const answer = await this.#live.ask({ do: what, ...more, seconds });
    this.state = answer.state;
    this.panel.show(answer.state);
    if (!READING.has(what)) this.#hash.touch();
    return answer;
  }

  /** @param {Promise<unknown>} work @returns {Promise<void>} When it is over, done or not. */
  #try(work) {
    return work.then(() => {}, (error) => {
      if (error.code !== "disposed" && error.name !== "AbortError") this.#hooks.hint(error.message);
    });
  }
}

/** The page's, with a link in it. @param {string} text */
const address = (text) => `${location.href.replace(/#.*$/s, "")}#${text}`;
