/**
 * What the element shows over its canvas: poster, progress, messages, toolbar, overlay, help.
 * It knows nothing of the engine; the element tells it what to show and hears what was clicked.
 */

import { FilterControls } from "./view-filter.mjs";
import { DESCRIPTION, Help } from "./view-help.mjs";
import { ICONS } from "./view-icons.mjs";
import { make } from "./view-parts.mjs";
import { Stats } from "./view-stats.mjs";
import { dress } from "./view-style.mjs";

/** @typedef {"empty" | "loading" | "ready" | "failed"} State */
/** @typedef {"reset" | "inputs" | "view" | "overlay" | "help" | "fullscreen"} Action */
/** @typedef {{label: string, run: () => void}} Choice  A button of a message; the first is filled. */

/**
 * @typedef {object} Shown  A message.
 * @property {string} title
 * @property {string} [body]
 * @property {Choice[]} [choices]
 * @property {"brief" | "invite"} [kind]  A line at the top, or an invitation to drop a file.
 */

const IDLE_MS = 2500;
const HINT_MS = 1200;
/** A letter takes so long to read. */
const READ_MS = 30;
/** What has the focus first in the view's panel: an object, or the camera's mode. */
const FIRST = ".part:not([hidden]) > .objects button, input:checked";
/** Room for the inputs beside the scene. */
const ROOMY_PX = 640;

/** @type {[Action, string, string][]} */
const TOOLS = [
  ["inputs", "Inputs", "C"],
  ["view", "View", "O"],
  ["reset", "Reset the view", "R"],
  ["overlay", "Frame times", "I"],
  ["help", "Controls", "?"],
  ["fullscreen", "Full screen", "F"],
];

export class Ui {
  stats = new Stats();
  /** Set with the player. @type {FilterControls} */
  filter = /** @type {any} */ (null);
  #root = make("div", "root");
  #poster = make("div", "poster gone");
  #words = make("div", "panel words");
  #bar = make("div", "bar");
  #track = make("div", "track", this.#bar);
  #progress = make("div", "progress gone", this.#words, this.#track);
  #message = make("div", "panel message");
  #toolbar = make("div", "panel toolbar");
  #hint = make("div", "panel hint");
  #drop = make("div", "panel drop");
  /** @type {Map<Action, HTMLButtonElement>} */
  #tools = new Map();
  /** @type {Shown | null} */
  #shown = null;
  /** What an interrupting message hides. @type {Shown | null | undefined} */
  #interrupted = undefined;
  /** @type {import("./view-player.mjs").Player | null} */
  #player = null;
  /** @type {import("./view-panel.mjs").Panel | null} */
  #panel = null;
  #posterUrl = "";
  #inputsBefore = false;
  #idleTimer = 0;
  #hintTimer = 0;

  /**
   * @param {HTMLElement} host
   * @param {(action: Action) => void} act
   */
  constructor(host, act) {
    const shadow = host.attachShadow({ mode: "open", delegatesFocus: true });
    dress(shadow);
    this.stage = make("div", "stage");
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "application");
    this.stage.setAttribute("aria-roledescription", "3D scene");
    this.stage.setAttribute("aria-description", DESCRIPTION);
    this.help = new Help(() => this.showHelp(false));
    for (const [action, label, key] of TOOLS) this.#toolbar.append(this.#tool(action, label, key, act));
    this.#toolbar.setAttribute("role", "toolbar");
    this.#toolbar.setAttribute("aria-label", "Scene controls");
    this.#progress.setAttribute("role", "progressbar");
    this.#message.setAttribute("role", "alert");
    this.#message.hidden = this.#drop.hidden = true;
    const sentence = make("div", "", "Drop to open", make("small", "", ".ply, .splat or .spz"));
    this.#drop.append(sentence);
    this.#root.append(
      this.stage, this.#poster, make("div", "ring"), this.#progress, this.stats.element,
      this.#toolbar, this.help.element, this.#hint, this.#message, this.#drop,
    );
    shadow.append(this.#root);
    for (const type of ["pointermove", "pointerdown", "keydown", "focusin"]) {
      this.#root.addEventListener(type, () => this.wake());
    }
  }

  /** The parts that play a generator, and the filters beside its inputs. @param {import("./view-player.mjs").Player} player */
  set player(player) {
    this.#player = player;
    this.filter = new FilterControls(player.dials.above, (text) => this.interrupt("Filter", text));
    this.stage.after(this.filter.divider);
    this.help.element.before(player.dials.element, player.timeline.element);
    this.fit();
  }

  /** The panel of the view. @param {import("./view-panel.mjs").Panel} panel */
  set panel(panel) {
    this.#panel = panel;
    this.#toolbar.after(panel.element);
    panel.stats.addEventListener("change", () => this.#tools.get("overlay")?.click());
  }

  /** @param {State} state */
  set state(state) {
    this.#root.dataset.state = state;
    this.stage.setAttribute("aria-busy", String(state === "loading"));
  }

  /** @param {boolean} shown */
  set controls(shown) {
    this.#toolbar.hidden = !shown;
    this.#root.classList.toggle("bare", !shown);
    if (shown) return;
    this.showHelp(false);
    this.showView(false);
    this.stats.on = false;
  }

  /** @param {string} label  For a screen reader. */
  set label(label) {
    this.stage.setAttribute("aria-label", label);
  }

  /** @param {string} url  Empty: no poster. */
  setPoster(url) {
    if (url === this.#posterUrl) return;
    this.#posterUrl = url;
    this.#poster.replaceChildren();
    if (!url) return;
    for (const className of ["blur", "picture"]) {
      const image = make("img", className);
      image.alt = "";
      image.draggable = false;
      image.decoding = "async";
      image.onerror = () => image.remove();
      image.src = url;
      this.#poster.append(image);
    }
  }

  /**
   * Nothing moves: the poster, and perhaps a message.
   * @param {State} state
   * @param {Shown | null} shown
   */
  rest(state, shown) {
    this.state = state;
    this.showProgress(null);
    this.showMessage(shown);
    this.cover();
  }

  /** Put the poster over the canvas. */
  cover() {
    this.#poster.classList.remove("gone");
  }

  /** Fade the poster into the canvas. */
  reveal() {
    this.#poster.classList.add("gone");
    this.wake();
  }

  /** A new canvas in the place of the old one. */
  newCanvas() {
    const canvas = document.createElement("canvas");
    this.stage.replaceChildren(canvas);
    return canvas;
  }

  dropCanvas() {
    this.stage.replaceChildren();
  }

  /** @param {{text: string, share: number} | null} progress  null when it is over. */
  showProgress(progress) {
    this.#progress.classList.toggle("gone", !progress);
    this.#progress.ariaHidden = String(!progress);
    if (!progress) return;
    const known = progress.share > 0;
    this.#words.textContent = progress.text;
    this.#track.classList.toggle("unknown", !known);
    this.#bar.style.transform = known ? `scaleX(${progress.share})` : "";
    if (known) this.#progress.ariaValueNow = String(Math.round(progress.share * 100));
    else this.#progress.removeAttribute("aria-valuenow");
    this.#progress.ariaValueText = progress.text;
  }

  /**
   * A message that gives way to the one before it.
   * @param {string} title
   * @param {string} body
   */
  interrupt(title, body) {
    const before = this.#interrupted === undefined ? this.#shown : this.#interrupted;
    const choices = [{ label: "Close", run: () => this.showMessage(before) }];
    this.showMessage({ title, body, choices });
    this.#interrupted = before;
  }

  /** @param {Shown | null} shown */
  showMessage(shown) {
    this.#shown = shown;
    this.#interrupted = undefined;
    this.#message.hidden = !shown;
    this.#message.replaceChildren();
    if (!shown) return;
    this.#message.className = `panel message ${shown.kind ?? ""}`;
    if (shown.kind === "invite") this.#message.innerHTML = ICONS.file;
    this.#message.append(make("h2", "", shown.title));
    if (shown.body) this.#message.append(make("p", "", shown.body));
    if (!shown.choices?.length) return;
    const buttons = shown.choices.map(({ label, run }, i) => {
      const button = make("button", i ? "text" : "text first", label);
      button.type = "button";
      button.addEventListener("click", run);
      return button;
    });
    this.#message.append(make("div", "actions", ...buttons));
  }

  get helpShown() {
    return !this.help.element.hidden;
  }

  /** @param {boolean} shown */
  showHelp(shown) {
    if (shown === this.helpShown) return;
    this.help.element.hidden = !shown;
    this.#press("help", shown);
    if (shown) this.help.close.focus({ preventScroll: true });
    else this.stage.focus({ preventScroll: true });
  }

  /** @param {boolean} shown */
  showStats(shown) {
    this.stats.on = shown;
    this.#press("overlay", shown);
    if (this.#panel) this.#panel.stats.checked = shown;
  }

  /** Show what the scene has to play and to feed; a small box is left to the scene at first. */
  fit() {
    if (!this.#player) return;
    const { timeline, dials } = this.#player;
    this.#root.classList.toggle("plays", !timeline.element.hidden);
    const tool = this.#tools.get("inputs");
    if (tool) tool.hidden = dials.empty;
    this.showInputs(this.#root.clientWidth >= ROOMY_PX && !this.viewShown);
  }

  get viewShown() {
    return !(this.#panel?.element.hidden ?? true);
  }

  /** @param {boolean} shown  In the place of the inputs, which come back after it. */
  showView(shown) {
    if (!this.#panel || shown === this.viewShown) return;
    const { element } = this.#panel;
    const within = element.contains(/** @type {ShadowRoot} */ (element.getRootNode()).activeElement);
    element.hidden = !shown;
    this.#press("view", shown);
    if (shown) {
      this.#inputsBefore = this.inputsShown;
      this.showInputs(false);
      /** @type {HTMLElement | null} */ (element.querySelector(FIRST))?.focus({ preventScroll: true });
    } else {
      if (within) this.stage.focus({ preventScroll: true });
      if (this.#inputsBefore) this.showInputs(true);
    }
  }

  get inputsShown() {
    return !(this.#player?.dials.element.hidden ?? true);
  }

  /** @param {boolean} shown  Only where there are any. */
  showInputs(shown) {
    if (!this.#player) return;
    const { element, empty } = this.#player.dials;
    if (shown && !empty) this.showView(false);
    element.hidden = !shown || empty;
    this.#press("inputs", shown && !empty);
  }

  /** @param {boolean} full */
  set fullscreen(full) {
    this.#press("fullscreen", full);
  }

  /** @param {string} text  Shown for a moment. */
  showHint(text) {
    this.#hint.textContent = text;
    this.#hint.classList.add("on");
    clearTimeout(this.#hintTimer);
    const shown_ms = HINT_MS + text.length * READ_MS;
    this.#hintTimer = setTimeout(() => this.#hint.classList.remove("on"), shown_ms);
  }

  /** @param {boolean} over  Whether a file hovers. */
  dropTarget(over) {
    this.#drop.hidden = !over;
  }

  /** The toolbar comes back and fades again when nothing happens. */
  wake() {
    this.#root.classList.remove("idle");
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#root.classList.add("idle"), IDLE_MS);
  }

  /**
   * @param {Action} action
   * @param {boolean} pressed
   */
  #press(action, pressed) {
    this.#tools.get(action)?.setAttribute("aria-pressed", String(pressed));
  }

  /**
   * @param {Action} action
   * @param {string} label
   * @param {string} key
   * @param {(action: Action) => void} act
   */
  #tool(action, label, key, act) {
    const button = make("button", "icon");
    button.type = "button";
    button.innerHTML = ICONS[action];
    button.title = `${label} (${key})`;
    button.setAttribute("aria-label", label);
    button.setAttribute("aria-keyshortcuts", key);
    if (action !== "reset") button.setAttribute("aria-pressed", "false");
    // An iPhone has no full screen for elements.
    button.hidden = action === "fullscreen" && !document.fullscreenEnabled;
    button.addEventListener("click", () => act(action));
    this.#tools.set(action, button);
    return button;
  }
}
