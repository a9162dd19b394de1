/**
 * <vitrine-view src="scene/scene.json" poster="scene/poster.webp">: a Gaussian-splat scene in a box.
 *
 * The element is the main thread's side: it shows the poster, hands the user's input to the worker
 * that holds the engine, and says what is going on. Attributes, methods, events and keys are listed
 * in docs/embedding.md.
 */

import { ArrangingElement } from "./view-arranging.mjs";
import { Commands } from "./view-commands.mjs";
import { FileDrop } from "./view-drop.mjs";
import { FileQueue } from "./view-files.mjs";
import { Fullscreen } from "./view-fullscreen.mjs";
import { InputQueue } from "./view-input.mjs";
import { Keys } from "./view-keys.mjs";
import { FRAMES } from "./view-listening.mjs";
import { Loading } from "./view-loading.mjs";
import { cannotOpen, GPU_LOST, INVITATION, messageFor, opens } from "./view-messages.mjs";
import { Patience } from "./view-patience.mjs";
import { Player } from "./view-player.mjs";
import { VIEW_ATTRIBUTES, VIEWING, viewWishes } from "./view-looking.mjs";
import { FILTER, pickFilter, PLAYER, wishes } from "./view-playing.mjs";
import { Pointers, takesWheel } from "./view-pointer.mjs";
import { Deferred, Session, VitrineError } from "./view-session.mjs";
import { Silence } from "./view-silence.mjs";
import { pass } from "./view-told.mjs";
import { Ui } from "./view-ui.mjs";
import { Viewing } from "./view-viewing.mjs";
import { Watch } from "./view-watch.mjs";

/** @import {ErrorCode, FromWorker, SceneInfo, ViewJson} from "./view-protocol.mjs" */

export class VitrineView extends ArrangingElement {
  static observedAttributes = [
    "src", "poster", "controls", "speed", "loop", "filter", "aria-label", ...VIEW_ATTRIBUTES,
  ];

  #ui = new Ui(this, (action) => this.#commands.obey(action));
  #queue = new InputQueue((input) => {
    if (this.#info) this.#session?.post({ type: "input", ...input });
  });
  #watch = new Watch(
    this.#ui.stage,
    (size) => {
      this.#session?.post({ type: "resize", ...size });
      this.#ui.stats.describe(this.#info, size);
    },
    (on) => this.#session?.post({ type: "visible", on }),
  );
  #pointers = new Pointers(this.#ui.stage, this.#queue, {
    takesWheel: () => takesWheel(this),
    wheelRefused: () => this.#ui.showHint("Click the scene to zoom with the wheel"),
  });

  #patience = new Patience(this.#ui.stage);
  #silence = new Silence(this.#ui, () => this.#start(this.#source));
  /** @type {Session | null} */
  #session = null;
  /** What is loaded or being loaded. @type {string | File | null} */
  #source = null;
  /** Of the scene that can be seen. @type {SceneInfo | null} */
  #info = null;
  /** @type {Deferred<SceneInfo>} */
  #ready = new Deferred();
  /** A file on its way into a session that shows something already. @type {Deferred<SceneInfo> | null} */
  #opening = null;
  #files = new FileQueue((file) => this.#open(file));
  #loading = new Loading();
  #connected = false;
  /** `load` sets `src`, and starts by itself. */
  #loads = false;
  /** A new `src` is begun at the end of this turn. */
  #due = false;
  #fullscreen = new Fullscreen(this, (on) => {
    this.#ui.fullscreen = on;
  });
  #commands = new Commands({
    ui: this.#ui,
    fullscreen: this.#fullscreen,
    player: () => this[PLAYER],
    viewing: () => this[VIEWING],
    controls: () => this.controls !== "none",
    reset: () => this.reset(),
    stats: (on) => {
      this.#ui.showStats(on);
      this.#ui.stats.describe(this.#info, this.#watch.size);
      this.#session?.post({ type: "overlay", on });
    },
  });

  constructor() {
    super();
    new Keys(this, this.#queue, (command) => this.#commands.obey(command));
    new FileDrop(this, (over) => this.#ui.dropTarget(over), (file) => {
      if (!this[PLAYER].drop(file)) this.loadFile(file).catch(() => {}); // the visitor is told
    });
    this[FRAMES].changed = () => this.#session?.post({ type: "pace", on: this[FRAMES].heard > 0 });
    const hint = this.#ui.showHint.bind(this.#ui);
    const hooks = { ready: () => this.ready, tell: this.#tell, hint };
    const player = new Player(this.#ui.stage, { ...hooks, wishes: () => wishes(this) });
    this[PLAYER] = this.#ui.player = player;
    this[FILTER] = this.#ui.filter;
    const complain = (/** @type {string} */ message) => this.#complain("link", message);
    this[VIEWING] = new Viewing(this, { ...hooks, complain, size: () => this.#watch.size });
    this.#ui.panel = this[VIEWING].panel;
    this.#ui.label = "3D scene";
  }

  /** Resolves with the scene's figures when it is loaded; rejects with an error that has a `code`. */
  get ready() {
    return (this.#opening ?? this.#ready).promise;
  }

  /** Show exactly this view, until the visitor moves; rejects when it is no view. @param {ViewJson} view */
  async setView(view) {
    await this.ready;
    this.#queue.flush();
    return this.#live.setView(view);
  }

  /** Resolves when the frame for the current state (view, size, input) is on screen. */
  async settled() {
    await this.ready;
    await this[VIEWING].begun;
    await this.#watch.laidOut();
    this.#queue.flush();
    return this.#live.settled();
  }

  /** Back to the first view. */
  reset() {
    this.#queue.flush();
    this.#session?.post({ type: "reset" });
  }

  /**
   * Show a scene at once, in sight or not.
   * @param {string | URL | File} source
   * @returns {Promise<SceneInfo>}
   */
  load(source) {
    if (source instanceof File) return this.loadFile(source);
    this.#loads = true; // here, not by the attribute
    this.src = String(source);
    this.#loads = false;
    this.#files.leave();
    if (this.#connected) this.#start(this.src || null);
    return this.ready;
  }

  /**
   * Show a .ply, .splat or .spz file. It does not leave this machine.
   * @param {File} file
   * @returns {Promise<SceneInfo>}
   */
  loadFile(file) {
    return this.#files.add(file);
  }

  /** Stop and free the GPU; the poster stays. A new `src` or file, or coming back into a page, starts again. */
  dispose() {
    this.#files.leave();
    this.#due = false;
    this.#end(new VitrineError("disposed", "The view was disposed of."));
    this.#ui.rest("empty", null);
  }

  connectedCallback() {
    this.upgradeProperties();
    if (this.#connected) return; // Moved within the page.
    this.#connected = true;
    this.#watch.start();
    this.#fullscreen.start();
    this.#ui.wake();
    this.#start(this.src || null, true);
  }

  disconnectedCallback() {
    setTimeout(() => {
      if (this.isConnected || !this.#connected) return;
      this.#connected = false;
      this.#watch.stop();
      this.#fullscreen.stop();
      this.dispose();
    });
  }

  /** @param {string} name @param {string | null} old @param {string | null} value */
  attributeChangedCallback(name, old, value) {
    if (name === "speed") this[PLAYER].setSpeed(wishes(this).speed);
    else if (name === "loop") this[PLAYER].setLoop(wishes(this).loop);
    else if (old === value) return;
    else if (name === "filter") this.#pickFilter();
    else if (name === "poster") this.#showPoster();
    else if (name === "controls") this.#commands.offer(value !== "none");
    else if (name === "aria-label") this.#ui.label = value || "3D scene";
    else if (VIEW_ATTRIBUTES.includes(name)) this[VIEWING].wish(viewWishes(this, name));
    else if (this.#connected && !this.#loads) this.#renew();
  }

  /** There is a new `src`: what is asked of the element from now on is asked of that scene. */
  #renew() {
    this.#files.leave();
    this.#end(null);
    this.#due = true;
    queueMicrotask(() => {
      if (this.#due && this.#connected) this.#start(this.src || null, true);
    });
  }

  /** The session, for what needs one. */
  get #live() {
    if (!this.#session) throw new VitrineError("disposed", "The view was disposed of.");
    return this.#session;
  }

  /**
   * @param {string | File | null} source  A URL of scene.json, a file, or nothing yet.
   * @param {boolean} patient  Not before it can be seen.
   */
  #start(source, patient = false) {
    this.#due = false;
    this.#end(null);
    this.#source = source;
    this.#loading = new Loading(source instanceof File ? source.name : undefined);
    this.#showPoster();
    this.#ui.cover();
    if (source === null) return this.#ui.rest("empty", INVITATION);
    const meanwhile = patient ? this.#patience.wait(() => this.#start(source)) : null;
    if (meanwhile) return this.#ui.rest("empty", meanwhile.shown);
    this.#ui.state = "loading";
    this.#ui.showMessage(null);
    this.#ui.showProgress({ text: this.#loading.text, share: 0 });
    if (!navigator.gpu) return this.#fail("no-webgpu", messageFor("no-webgpu", "").title);
    try {
      const url = source instanceof File ? null : new URL(source, document.baseURI).href;
      const receive = (/** @type {FromWorker} */ message) => this.#receive(message);
      const given = { ...this.#watch.size, budget: this.budget };
      this.#session = new Session(this.#ui.newCanvas(), url, given, receive);
    } catch (error) {
      this.#fail(error instanceof TypeError ? "download" : "engine", String(error));
      return;
    }
    if (!this.#watch.visible) this.#session.post({ type: "visible", on: false });
    if (this[FRAMES].heard) this[FRAMES].changed();
    this.#pickFilter();
    if (source instanceof File) this.#session.open(source);
    else this.#silence.heard(true);
  }

  /** @param {Error | null} error  For whoever waits; null when another start follows. */
  #end(error) {
    this.#pointers.release();
    this.#patience.end();
    this.#silence.end();
    this.#session?.end();
    this.#session = null;
    this.#info = null;
    this[PLAYER].end();
    this[VIEWING].end();
    this[FILTER].begin([], null);
    this.#ui.fit();
    this.#ui.dropCanvas();
    this.#opening?.reject?.(error ?? new VitrineError("disposed", "Another scene was loaded."));
    this.#opening = null;
    if (error) this.#ready.reject?.(error);
    else if (this.#ready.done) this.#ready = new Deferred();
  }

  /** @param {FromWorker} message */
  #receive(message) {
    switch (message.type) {
      case "progress":
        if (!this.#info || this.#opening) this.#ui.showProgress(this.#loading.add(message));
        if (!this.#info && !(this.#source instanceof File)) this.#silence.heard(this.#loading.waits);
        this.#tell("progress", { stage: message.stage, loaded: message.loaded, total: message.total });
        break;
      case "preview":
        this.#reveal(); // before all has come
        break;
      case "ready":
        this.#shown(message.info);
        break;
      case "lost":
        this.#ui.cover();
        this.#ui.showMessage({ title: GPU_LOST, kind: "brief" });
        break;
      case "restored":
        this.#reveal();
        break;
      case "error":
        this.#fail(message.code, message.message);
        break;
      default:
        pass(this, message, this.#ui.stats, this.#tell);
    }
  }

  /** @param {SceneInfo} info */
  #shown(info) {
    const again = this.#info !== null && !this.#opening; // The device came back.
    this.#info = info;
    this.#silence.heard(false);
    if (!again) {
      this[PLAYER].begin(info, this.#session);
      this[FILTER].begin(info.filters ?? [], this.#session);
      this.#ui.stats.filter(null, []);
      this[VIEWING].begin(info, this.#session, this.#source);
      this.#ui.help.objects = Boolean(info.objects?.length);
      this.#ui.fit();
    }
    this.#ui.state = "ready";
    this.#ui.showProgress(null);
    this.#showPoster();
    this.#ui.stats.describe(info, this.#watch.size);
    if (this.#ui.stats.on) this.#session?.post({ type: "overlay", on: true });
    this.#reveal();
    if (again) return;
    if (this.#ready.done) this.#ready = new Deferred();
    this.#ready.resolve?.(info);
    this.#opening?.resolve?.(info);
    this.#opening = null;
    for (const event of ["ready", "load"]) this.#tell(event, info);
  }

  /** The poster belongs to `src`; a file has none. */
  #showPoster() {
    const url = this.#source instanceof File ? "" : this.poster;
    this.#ui.setPoster(url && URL.parse(url, document.baseURI)?.href || "");
  }

  /** Fade the poster and the message out when the first frame is on screen. */
  #reveal() {
    const session = this.#session;
    session?.settled().then(() => {
      if (session !== this.#session) return;
      this.#ui.showMessage(null);
      this.#ui.reveal();
    }, () => {});
  }

  /** @param {ErrorCode} code @param {string} message */
  #fail(code, message) {
    const opening = this.#info && (code === "file" || code === "limits") ? this.#opening : null;
    if (opening) {
      this.#source = null;
      this.#opening = null;
      opening.reject?.(new VitrineError(code, message));
      this.#ui.showProgress(null);
      this.#complain(code, message);
      return;
    }
    const { title, body, retry } = messageFor(code, message);
    const source = this.#source;
    const choices = retry ? [{ label: "Retry", run: () => this.#start(source) }] : [];
    if (source instanceof File) choices.push({ label: "Close", run: () => this.#start(this.src || null) });
    this.#end(new VitrineError(code, message));
    this.#ui.rest("failed", { title, body, choices });
    this.#tell("error", { code, message });
  }

  /** A failure that leaves all as it was. @param {ErrorCode} code @param {string} message */
  #complain(code, message) {
    const { title, body } = messageFor(code, message);
    this.#ui.interrupt(title, body);
    this.#tell("error", { code, message });
  }

  #pickFilter() {
    pickFilter(this, this.#session, (message) => this.#complain("filter", message));
  }

  /** @param {string} event @param {object} detail */
  #tell = (event, detail) => void this.dispatchEvent(new CustomEvent(event, { detail }));

  /** @param {File} file */
  async #open(file) {
    if (!opens(file.name)) {
      this.#complain("file", cannotOpen(file.name));
      throw new VitrineError("file", cannotOpen(file.name));
    }
    if (!this.#connected) throw new VitrineError("disposed", "The view is in no page.");
    if (this.#info && this.#session) {
      this.#source = file;
      this.#opening = new Deferred();
      this.#loading = new Loading(file.name);
      this.#ui.showMessage(null);
      this.#ui.showProgress({ text: this.#loading.text, share: 0 });
      const { promise } = this.#opening;
      this.#session.open(file);
      return promise;
    }
    this.#start(file);
    return this.#ready.promise;
  }
}

if (!customElements.get("vitrine-view")) customElements.define("vitrine-view", VitrineView);
