// What one element shows, on the worker's side: opening its scenes one after the other. loop.mjs draws
// the frames, hosts.mjs is Python's side; the device and Python are those of the whole page (worker.mjs).

import { cutRows } from "./budget.mjs";
import { unpack } from "./dropped.mjs";
import { Executor } from "./executor.mjs";
import { fetchBundle } from "./generator.mjs";
import { Hosts } from "./hosts.mjs";
import { Failure, fetchText } from "./loading.mjs";
import { Loop } from "./loop.mjs";
import { Picks } from "./picks.mjs";
import { Recall } from "./recall.mjs";

/** The `source` of SH: most of a scene's bytes, without which it can be drawn already. */
const BANDS = "sh";
/** The schedule that a plan with a filter has. */
const PRESENT = "present";
/** How often a scene is opened where the device goes away meanwhile; and how long an error waits for the
 * news that it did. */
const TRIES = 3, LOST_MS = 100;

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
  /** @type {GPUCanvasContext | null} */
  #context = null;
  #sceneUrl;
  #sceneText = "";
  #hosts;
  #loop;
  #picks;
  /** Of the scene; files are not remembered. @type {Recall | null} */
  #recall = null;
  /** The file that is shown, in case the device is lost. @type {{name: string, blob: Blob} | null} */
  #dropped = null;
  /** What opens one scene after the other. @type {Promise<void>} */
  #opening = Promise.resolve();
  /** Ends the downloads of a display that is gone. */
  #gone = new AbortController();
  /** @type {Promise<import("./capture.mjs").Capture> | null} */
  #capture = null;

  /**
   * @param {Page} page
   * @param {import("./view-protocol.mjs").InitMessage} init
   * @param {(message: Record<string, unknown>) => void} tell The element.
   */
  constructor(page, init, tell) {
    this.#page = page;
    this.#canvas = init.canvas;
    this.#sceneUrl = init.src ?? "";
    this.#tell = (/** @type {Record<string, unknown>} */ message) => {
      if (!this.#ended) tell(message);
    };
    this.#hosts = new Hosts(page.python, init.budget ?? 0);
    const hooks = {
      canvas: init.canvas,
      hosts: this.#hosts,
      gpu: () => page.gpu.get(),
      fail: (/** @type {unknown} */ error) => this.fail(error),
      tell: this.#tell,
    };
    this.#loop = new Loop(hooks, init);
    this.#picks = new Picks({
      host: () => this.#hosts.part("PickHost"),
      gpu: hooks.gpu,
      executor: () => this.#loop.executor,
      tell: this.#tell,
    });
    /** Of the element's messages. @type {Record<string, (message: any) => void>} */
    this.handlers = { ...this.#loop.handlers, ...this.#picks.handlers, ...this.#handlers };
    page.python().then(() => this.#progress("engine")(1, 1), () => {});
    if (!init.src) return;
    this.#recall = new Recall(init.base, init.src, hooks.gpu, page.compiled);
    this.#open((given) => this.#download(given));
  }

  get #ended() {
    return this.#gone.signal.aborted;
  }

  /** @type {Record<string, (message: any) => void>} */
  #handlers = {
    view: ({ view, id }) => {
      const { opened } = this.#loop;
      const error = opened ? this.#hosts.display?.set_view(JSON.stringify(view)) : "the scene is not loaded yet";
      this.#tell({ type: "view", id, error: error || null });
      this.#loop.schedule();
    },
    file: ({ name, data }) => this.#open((given) => this.#showFile(given, name, data)),
    picture: (message) => this.#captured(message),
    film: (message) => this.#captured(message),
    cancel: (message) => this.#captured(message),
  };

  /** Pipelines that it has on a device. @param {GPUDevice} device */
  compiled(device) {
    const { executor } = this.#loop;
    return executor?.device === device ? [...executor.compiled] : [];
  }

  /** Free all that is its own; the device and Python stay. */
  dispose() {
    this.#gone.abort();
    this.#picks.end();
    this.#loop.end();
    this.#hosts.end();
    this.#context?.unconfigure();
  }

  /** The device went away: bring the same scene back on another one.
   * @param {GPUDevice} device @param {GPUDeviceLostInfo} info */
  lost(device, info) {
    if (this.#loop.executor?.device !== device) return;
    this.#picks.end();
    this.#loop.leave();
    this.#tell({ type: "lost", message: info.message || "the GPU device was lost" });
    this.#open(async (given) => {
      if (!this.#loop.executor) await this.#again(given); // else what was being opened then is shown by now
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
          if (!again) return this.fail(error);
        }
      }
    });
  }

  /** Everything that the first frame waits for, side by side. @param {Given} given */
  async #download(given) {
    this.#sceneText = await fetchText(new URL(this.#sceneUrl), this.#gone.signal);
    await this.#show(given, await this.#bundle());
  }

  /** What was shown, from the beginning. @param {Given} given */
  async #again(given) {
    if (this.#dropped) await this.#showFile(given, this.#dropped.name, await this.#dropped.blob.arrayBuffer());
    else await this.#show(given, await this.#bundle());
  }

  #bundle() {
    return fetchBundle(this.#sceneText, new URL(this.#sceneUrl), this.#progress("scene"), this.#gone.signal);
  }

  /** Plan the bundle's scene, build it and draw it.
   * @param {Given} given @param {Bundle} bundle */
  async #show(given, { program, shaders, files, tracks }) {
    const host = await this.#hosts.start();
    const answer = JSON.parse(host.open_scene(this.#sceneText, given.text, program, shaders));
    if (answer.error) throw new Failure(answer.code, answer.error);
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
    await this.#hosts.start();
    const host = /** @type {import("./dropped.mjs").Opener} */ (await this.#hosts.part("FileHost"));
    const { answer, buffers } = await unpack(name, data, given, host, this.#progress("scene"));
    await this.#present(given, answer, buffers, {}, () => host.show_file());
    this.#dropped = { name, blob: new Blob([data]) };
  }

  /** Pipelines that are there already. @param {GPUDevice} device */
  async #known(device) {
    return new Map([...this.#page.compiled(device), ...await this.#recall?.compiled(device) ?? []]);
  }

  /** Build a scene's plan and draw it from now on; the one before goes, with all it holds.
   * @param {Given} given @param {any} answer
   * @param {Map<string, GPUBuffer>} adopted
   * @param {Bundle["files"]} files By the `source` of the plan's buffers.
   * @param {(() => void) | null} change Tells Python that its scene is the one that is shown now: of a file. */
  async #present({ adapter, device, text }, answer, adopted, files, change) {
    const context = this.#context ??= /** @type {GPUCanvasContext} */ (this.#canvas.getContext("webgpu"));
    const format = navigator.gpu.getPreferredCanvasFormat();
    let complete = true;
    /** @type {Promise<void> | undefined} */
    let bands;
    const made = new Executor(device, answer.plan, context, format, adopted);
    try {
      const compiled = this.#known(device).then((known) => made.compile(this.#progress("shaders"), known));
      compiled.catch(() => {}); // told below
      await Promise.all(made.plan.buffers.map(async ({ name, source }) => {
        if (!source || !(source in files)) return;
        const written = files[source].then((bytes) => made.write(name, 0, bytes));
        if (source !== BANDS) return written;
        complete = false;
        bands = written.then(() => { complete = true; });
        bands.catch(() => {}); // told below
      }));
      await compiled;
      const lost = (await this.#page.gpu.get()).device !== device; // what was built on it draws nothing
      if (lost || this.#ended) throw new Error(lost ? "the GPU device was lost" : "the element is gone");
      change?.();
    } catch (error) {
      made.destroy();
      throw error;
    }
    this.#picks.end();
    this.#loop.show(made, answer);
    if (bands && !complete) {
      const { epoch } = this.#loop;
      this.#hosts.display?.bands(0);
      this.#tell({ type: "preview" });
      this.#loop.schedule();
      await bands;
      if (this.#loop.epoch !== epoch) return; // the device was lost, and what came after it is shown
      this.#hosts.display?.bands(1);
    }
    this.#loop.schedule();
    const { vendor, architecture, description } = adapter.info;
    const name = description || [vendor, architecture].filter(Boolean).join(" ");
    const info = { ...answer.info, adapter: name, generator: answer.generator };
    const listed = answer.info.filters ?? [];
    await this.#loop.filters.begin(change ? "" : this.#sceneUrl, listed, (marked) => {
      this.#tell({ type: "ready", info: listed.length ? { ...info, filters: marked } : info });
    });
    if (!change) await this.#recall?.keep(text, answer.plan);
  }

  /** Pictures and films need modules of their own, which come when one is asked for.
   * @param {{type: "picture" | "film" | "cancel", id: number}} message */
  #captured(message) {
    const loop = this.#loop;
    this.#capture ??= import("./capture.mjs").then(({ Capture }) => new Capture({
      host: () => this.#hosts.part("CaptureHost"),
      executor: () => loop.executor,
      replay: (target, index) => loop.replay(target, index, null),
      filtered: () => PRESENT in loop.opened.plan.schedules,
      hold: (on) => loop.hold(on),
      resume: () => loop.schedule(),
      tell: this.#tell,
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
  fail(error) {
    const code = error instanceof Failure ? error.code : "engine";
    this.#tell({ type: "error", code, message: error instanceof Error ? error.message : String(error) });
  }
}
