/**
 * The scene in a notebook (vitrine/widget.py): the element, whose files the kernel sends when they are
 * asked for, and whose state and the model's traits are kept alike.
 */

import { HeldFiles } from "./files.mjs";

/**
 * @typedef {object} Model  What anywidget gives.
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {() => void} save_changes
 * @property {(content: object, callbacks?: undefined, buffers?: ArrayBuffer[]) => void} send
 * @property {(event: string, listen: (content?: any, buffers?: DataView[]) => void) => void} on
 * @property {(event: string, listen: (...rest: any[]) => void) => void} off
 */

/** A kernel that runs a cell answers when that ends. */
const ANSWER_MS = 60_000;
/** The time of a clip that plays is told so often. */
const TIME_MS = 250;
/** A view is told when the hands have rested for so long. */
const REST_MS = 300;

/** @param {string} name */
const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
/** @param {string} name */
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
/** @param {object} values @param {(name: string) => string} spell */
const spelled = (values, spell) =>
  Object.fromEntries(Object.entries(values ?? {}).map(([name, value]) => [spell(name), value]));

/** What Python gave an input: a number, or the bytes of float32s. @param {any} value */
function numbers(value) {
  if (!(value instanceof DataView)) return value;
  const { buffer, byteOffset, byteLength } = value;
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

/** Files of the kernel, in pieces. */
class Kernel {
  #model;
  #count = 0;
  /** @type {Map<number, {parts: DataView[], heard: () => void, done: (packing: string) => void,
   *   fail: (error: Error) => void}>} */
  #waiting = new Map();

  /** @param {Model} model */
  constructor(model) {
    this.#model = model;
  }

  /** @param {string} path @returns {Promise<Blob>} */
  read(path) {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      /** @type {DataView<ArrayBuffer>[]} */
      const parts = [];
      let timer = 0;
      const fail = (/** @type {Error} */ error) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        reject(error);
      };
      const heard = () => {
        clearTimeout(timer);
        timer = setTimeout(() => fail(new Error(
          `the kernel did not send ${path}: it runs a cell, or was restarted`)), ANSWER_MS);
      };
      const done = (/** @type {string} */ packing) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        const blob = new Blob(parts);
        const stream = () => blob.stream().pipeThrough(new DecompressionStream("gzip"));
        resolve(packing === "gzip" ? new Response(stream()).blob() : blob);
      };
      this.#waiting.set(id, { parts, heard, done, fail });
      heard();
      this.#model.send({ kind: "file", id, path });
    });
  }

  /** @param {any} content @param {DataView[]} buffers */
  take({ id, error, packing, last }, buffers) {
    const asked = this.#waiting.get(id);
    if (!asked) return;
    if (error) return asked.fail(new Error(error));
    asked.parts.push(...buffers);
    if (last) asked.done(packing);
    else asked.heard();
  }
}

/** The model's traits and the element's state. */
class Traits {
  #model;
  #view;
  #complain;
  /** What the element said last, as JSON: a trait that says the same is no wish. @type {Map<string, string>} */
  #told = new Map();
  /** What the inputs were given. @type {Record<string, unknown>} */
  #inputs = {};

  /** @param {Model} model @param {any} view @param {(error: any) => void} complain */
  constructor(model, view, complain) {
    this.#model = model;
    this.#view = view;
    this.#complain = complain;
  }

  /** What each trait asks of the element. @type {Record<string, (value: any) => unknown>} */
  wishes = {
    camera: (value) => Object.keys(value).length ? this.#view.setCamera(value) : null,
    mode: (value) => value && this.#view.setMode(value),
    look: (value) => this.#look(value),
    time: (value) => this.#view.seek(value),
    playing: (value) => (value ? this.#view.play() : this.#view.pause()),
    speed: (value) => { this.#view.speed = value; },
    filter: (value) => value === null ? null : this.#view.setFilter(value, this.#shown()),
    strength: () => this.#view.filter && this.#view.setFilter(this.#view.filter, this.#shown()),
    split: () => this.#view.filter && this.#view.setFilter(this.#view.filter, this.#shown()),
    _inputs: (value) => this.#feed(value),
    height: (value) => { this.#view.style.height = typeof value === "number" ? `${value}px` : value; },
    controls: (value) => this.#view.setAttribute("controls", value ? "" : "none"),
    label: (value) => this.#view.setAttribute("aria-label", value || "3D scene"),
  };

  /** @param {string} name */
  value(name) {
    return this.#model.get(name);
  }

  /** Do what a trait says. @param {string} name @param {any} [value] */
  async apply(name, value = this.#model.get(name)) {
    if (this.#told.get(name) === JSON.stringify(value)) return;
    this.#told.delete(name);
    try {
      await this.wishes[name](value);
    } catch (error) {
      this.#complain(error);
    }
  }

  /** The element's state is this now. @param {Record<string, unknown>} values */
  tell(values) {
    let news = false;
    for (const [name, value] of Object.entries(values)) {
      const text = JSON.stringify(value);
      this.#told.set(name, text);
      if (JSON.stringify(this.#model.get(name)) === text) continue;
      this.#model.set(name, value);
      news = true;
    }
    if (news) this.#model.save_changes();
  }

  /** What the visitor set the inputs to, by the view's link; bytes are left as they are.
   * @param {Record<string, number | number[]>} found */
  tellInputs(found) {
    const now = this.#model.get("_inputs");
    const news = Object.entries(found).filter(([name, value]) =>
      !(now[name] instanceof DataView) && JSON.stringify(now[name]) !== JSON.stringify(value));
    if (!news.length) return;
    this.#inputs = { ...now, ...Object.fromEntries(news) };
    this.tell({ _inputs: this.#inputs });
  }

  #shown() {
    const [strength, split] = ["strength", "split"].map((name) => this.#model.get(name));
    return { ...(strength === null ? {} : { strength }), ...(split === null ? {} : { split }) };
  }

  /** @param {Record<string, unknown>} look */
  #look(look) {
    const none = { background: null, shDegree: null, splatScale: null, antialiasing: null };
    return this.#view.setLook({ ...none, ...spelled(look, camel) });
  }

  /** @param {Record<string, unknown>} inputs */
  async #feed(inputs) {
    const before = this.#inputs;
    this.#inputs = inputs;
    const names = new Set([...Object.keys(before), ...Object.keys(inputs)]);
    await Promise.all([...names].filter((name) => before[name] !== inputs[name]).map((name) =>
      this.#view.setInput(name, name in inputs ? numbers(inputs[name]) : null)));
  }
}

/** Traits that an element can be given before its scene is there. */
const AT_ONCE = ["height", "controls", "label", "speed"];
/** Those that wait for the scene, in this order. */
const AT_START = ["look", "camera", "mode", "_inputs", "strength", "time", "playing"];

/** Whether a trait wishes something from the start. @param {any} value */
const wished = (value) => (value && typeof value === "object" ? Object.keys(value).length > 0
  : Boolean(value));

/** What Python can have done. @type {Record<string, (view: any, given: any) => unknown>} */
const COMMANDS = {
  seek: (view, { seconds }) => view.seek(seconds),
  restart: (view) => view.restart(),
  reset: (view) => view.reset(),
  stop: (view) => view.stop(),
  camera: (view, { seconds, ...camera }) => view.setCamera(camera, { seconds }),
  async screenshot(view, given) {
    await view.settled();
    return new Uint8Array(await (await view.screenshot(spelled(given, camel))).arrayBuffer());
  },
};

/** What is shown where not even the element came. @param {any} error @param {() => void} again */
function failure(error, again) {
  const told = document.createElement("p");
  told.setAttribute("role", "alert");
  const button = document.createElement("button");
  button.textContent = "Try again";
  button.onclick = again;
  told.append(`The scene cannot be shown: ${error?.message ?? error}. `, button);
  return told;
}

/** @param {{model: Model, el: HTMLElement}} place @returns {() => void} */
function render({ model, el }) {
  const files = HeldFiles.shared();
  const kernel = new Kernel(model);
  const scene = `${model.get("_scene")}/`;
  const modules = files.add(`${model.get("_engine")}/`, (path) => kernel.read(`vitrine/${path}`));
  const source = files.add(scene, (path) => kernel.read(`scene/${path}`));
  const view = /** @type {any} */ (document.createElement("vitrine-view"));
  // Keys are the scene's while it has the focus: a D twice would delete the cell.
  view.dataset.lmSuppressShortcuts = "true"; // JupyterLab hears of a key before the scene does
  view.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.stopPropagation());
  const event = (/** @type {string} */ name, /** @type {object} */ detail = {}) =>
    model.send({ kind: "event", name, detail });
  const complain = (/** @type {any} */ error) =>
    event("error", { code: error?.code ?? "engine", message: String(error?.message ?? error) });
  const traits = new Traits(model, view, complain);

  /** @type {[string, (...rest: any[]) => void][]} */
  const listeners = Object.keys(traits.wishes).map((name) => {
    const later = () => (AT_ONCE.includes(name) ? traits.apply(name) : view.ready?.then(
      () => traits.apply(name), () => {}));
    return [`change:${name}`, later];
  });
  listeners.push(["msg:custom", async (content, buffers) => {
    if (content.kind === "file") return kernel.take(content, buffers);
    if (content.kind !== "do") return;
    const { id, command, given } = content;
    try {
      await view.ready;
      const value = await COMMANDS[command](view, given);
      const bytes = value instanceof Uint8Array;
      /** @type {any} */ (model).send({ kind: "done", id }, undefined, bytes ? [value.buffer] : []);
    } catch (error) {
      model.send({ kind: "done", id, error: String(/** @type {Error} */ (error)?.message ?? error) });
    }
  }]);
  for (const [name, listen] of listeners) model.on(name, listen);

  const first = AT_START.map((name) => [name, model.get(name)]);
  watch(view, traits, event, async () => {
    for (const [name, value] of first) if (wished(value)) await traits.apply(name, value);
  });
  begin();

  async function begin() {
    try {
      await load();
    } catch (error) {
      complain(error);
      el.replaceChildren(failure(error, begin));
    }
  }

  async function load() {
    await files.defineElement(modules);
    const poster = await files.read(`${source}poster.webp`).catch(() => null);
    if (poster) view.setAttribute("poster", URL.createObjectURL(poster));
    for (const name of AT_ONCE) traits.apply(name);
    const filter = model.get("filter");
    if (filter !== null) view.setAttribute("filter", filter || "none");
    view.setAttribute("src", `${source}scene.json`);
    el.replaceChildren(view);
    await view.ready.catch(() => {}); // told by the element's own event
  }

  return () => {
    for (const [name, listen] of listeners) model.off(name, listen);
    view.remove();
    files.remove(scene);
  };
}

/** Tell the model what becomes of the element.
 * @param {any} view @param {Traits} traits @param {(name: string, detail?: object) => void} event
 * @param {() => Promise<void>} begin  Does what the traits wish from the start. */
function watch(view, traits, event, begin) {
  let begun = false;
  let timeAt = 0;
  let resting = 0;
  const listen = (/** @type {string} */ name, /** @type {(detail: any) => void} */ act) =>
    view.addEventListener(name, (/** @type {CustomEvent} */ { detail }) => act(detail ?? {}));
  const tell = (/** @type {Record<string, unknown>} */ values) => begun && traits.tell(values);
  const look = async () => {
    const { camera, mode, look: drawn } = await view.getState();
    const link = new URLSearchParams(new URL(await view.link()).hash.slice(1));
    if (!begun) return;
    tell({ camera, mode, look: spelled(drawn, snake), filter: view.filter });
    for (const name of ["strength", "split"]) {
      if (link.has(name)) tell({ [name]: Number(link.get(name)) });
    }
    traits.tellInputs(Object.fromEntries([...link].flatMap(([name, text]) => {
      const values = text.split(",").map(Number);
      return name.startsWith("in.") ? [[name.slice(3), values.length > 1 ? values : values[0]]] : [];
    })));
  };
  const rest = () => {
    clearTimeout(resting);
    resting = setTimeout(() => look().catch(() => {}), REST_MS);
  };
  listen("ready", async (info) => {
    begun = false;
    await begin();
    await view.settled();
    begun = true;
    const { duration, time, paused } = view;
    tell({ time, playing: !paused, duration: Number.isFinite(duration) ? duration : 0 });
    await look();
    tell({ info: spelled(info, snake), ready: true });
    event("ready");
  });
  listen("timeupdate", ({ time }) => {
    const now = performance.now();
    if (!view.paused && now - timeAt < TIME_MS) return;
    timeAt = now;
    tell({ time });
  });
  for (const name of ["play", "pause"]) {
    listen(name, (detail) => {
      tell({ playing: name === "play", time: detail.time });
      event(name, detail);
    });
  }
  listen("filter", (detail) => {
    tell({ filter: detail.name });
    event("filter", detail);
  });
  listen("camera", (detail) => {
    if (!detail.moving) rest();
    event("camera", detail);
  });
  listen("error", (detail) => event("error", detail));
  for (const name of ["pointerup", "wheel", "keyup", "input"]) view.addEventListener(name, rest);
}

export default { render };
