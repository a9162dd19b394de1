/**
 * One life of an element's display: a canvas, the page's worker that draws on it, and the questions
 * that it has not answered yet. A canvas can be handed over once only, so a new start is a new session.
 */

import { joinWorker } from "./view-worker.mjs";

/** @import {ErrorCode, FromWorker, Seen, ToWorker, ViewJson, ViewState} from "./view-protocol.mjs" */

/** Whose fault an answer's error is. */
const CODES = /** @type {const} */ (
  { set: "input", filtered: "filter", placed: "object", view: "view", told: "view", settled: "view" });

/** An error that says which kind of failure it is. */
export class VitrineError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "VitrineError";
    this.code = code;
  }
}

/**
 * A promise that is settled from outside.
 * @template T
 */
export class Deferred {
  constructor() {
    this.done = false;
    /** @type {Promise<T>} */
    this.promise = new Promise((resolve, reject) => {
      /** @param {T} value */
      this.resolve = (value) => {
        this.done = true;
        resolve(value);
      };
      /** @param {Error} error */
      this.reject = (error) => {
        this.done = true;
        reject(error);
      };
    });
    // A page that does not look at the promise gets the event; the console stays quiet.
    this.promise.catch(() => {});
  }
}

export class Session {
  #worker;
  #nextId = 1;
  #ended = false;
  /** @type {Map<number, Deferred<any>>} */
  #waiting = new Map();
  /** Told how far films are. @type {Map<number, (done: number, total: number) => void>} */
  #reports = new Map();
  /** Told of each message to the worker, by its type. @type {(type: string) => void} */
  onpost = () => {};
  /** Told of the camera of each frame. @type {Set<(seen: Seen) => void>} */
  #followers = new Set();
  #receive;
  /** That of the last frame, while anybody is told. @type {Seen | null} */
  #seen = null;

  /**
   * @param {HTMLCanvasElement} canvas  Fresh; it is handed over to the worker here.
   * @param {string | null} src  Absolute URL of scene.json, or null when a file follows.
   * @param {{width: number, height: number, budget?: number}} size  In device pixels; and megabytes.
   * @param {(message: FromWorker) => void} receive  Called until `end`.
   */
  constructor(canvas, src, size, receive) {
    const offscreen = canvas.transferControlToOffscreen();
    this.#receive = receive;
    this.#worker = joinWorker({
      take: (message) => this.#take(message),
      failed: (reason, started) => receive({
        type: "error",
        code: "engine",
        message: `The engine ${started ? "stopped" : "did not start"}: ${reason}`,
      }),
    });
    const base = new URL(".", import.meta.url).href;
    this.post({ type: "init", canvas: offscreen, src, base, ...size }, [offscreen]);
  }

  /**
   * @param {ToWorker} message
   * @param {Transferable[]} [transfer]
   */
  post(message, transfer = []) {
    if (this.#ended) return;
    this.#worker.post(message, transfer);
    this.onpost(message.type);
  }

  /** Hand over a file; one that cannot be read is an error like those of the worker. @param {File} file */
  async open(file) {
    try {
      const data = await file.arrayBuffer();
      this.post({ type: "file", name: file.name, data }, [data]);
    } catch (error) {
      const message = `${file.name} could not be read: ${error}`;
      if (!this.#ended) this.#receive({ type: "error", code: "file", message });
    }
  }

  /** Resolves when the frame for the current state is on screen. */
  settled() {
    return this.#ask((id) => ({ type: "settle", id }));
  }

  /**
   * Rejects when the worker does not accept the view.
   * @param {ViewJson} view
   */
  setView(view) {
    return this.#ask((id) => ({ type: "view", view, id }));
  }

  /**
   * Do something to the view; rejects when it cannot be done.
   * @param {Record<string, unknown>} what  As pyengine/hosts/page_view.py takes it.
   * @returns {Promise<{value: any, state: ViewState}>}
   */
  ask(what) {
    const text = JSON.stringify(what);
    return this.#ask((id) => ({ type: "ask", text, id }));
  }

  /** Draw depth, normals, outlines or overdraw instead of colours. @param {string} mode */
  render(mode) {
    return this.#ask((id) => ({ type: "mode", mode, id }));
  }

  /** Be told of the camera of each frame. @param {(seen: Seen) => void} hear @returns {() => void} No longer. */
  follow(hear) {
    this.#followers.add(hear);
    if (this.#seen) hear(this.#seen);
    if (this.#followers.size === 1) this.post({ type: "follow", on: true });
    return () => {
      if (!this.#followers.delete(hear) || this.#followers.size) return;
      this.#seen = null;
      this.post({ type: "follow", on: false });
    };
  }

  /** What is seen at a place of the canvas, 0 to 1. @param {number} x @param {number} y */
  pick(x, y) {
    return this.#ask((id) => ({ type: "pick", x, y, id }));
  }

  /** Of each point of the world whether it is hidden; null: it is not on the canvas. @param {number[][]} points */
  probe(points) {
    return this.#ask((id) => ({ type: "probe", points, id }));
  }

  /**
   * A picture of the view as a file.
   * @param {import("./view-protocol.mjs").PictureAsked} asked
   * @returns {Promise<{value: Blob}>}
   */
  picture(asked) {
    return this.#ask((id) => ({ type: "picture", id, ...asked }));
  }

  /**
   * A film of the view as a file.
   * @param {import("./view-protocol.mjs").FilmAsked} asked
   * @param {(done: number, total: number) => void} report  Frames.
   * @returns {{answer: Promise<{value: Blob}>, cancel: () => void}}
   */
  film(asked, report) {
    let own = 0;
    const answer = this.#ask((id) => ({ type: "film", id: (own = id), ...asked }));
    this.#reports.set(own, report);
    const over = () => this.#reports.delete(own);
    answer.then(over, over);
    return { answer, cancel: () => this.post({ type: "cancel", id: own }) };
  }

  /**
   * Rejects when the generator does not accept the values.
   * @param {string} name
   * @param {number[] | null} values
   */
  setInput(name, values) {
    return this.#ask((id) => ({ type: "set", name, values, id }));
  }

  /**
   * Resolves when the filter is on; rejects when it cannot be.
   * @param {string} name  Empty: none.
   * @param {{strength?: number, split?: number}} look
   */
  setFilter(name, { strength, split }) {
    return this.#ask((id) => ({ type: "filter", name, strength, split, id }));
  }

  /**
   * Resolves when a frame has taken the changes; rejects when they cannot be.
   * @param {string} name
   * @param {object} changes
   * @returns {Promise<void>}
   */
  setObject(name, changes) {
    return this.#ask((id) => ({ type: "object", name, changes, id }));
  }

  /** Free what the GPU holds of it; whoever still waits is told so. */
  end() {
    if (this.#ended) return;
    this.#ended = true;
    this.#worker.leave();
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new VitrineError("disposed", "The view was disposed of."));
    }
    this.#waiting.clear();
  }

  /** @param {FromWorker} message */
  #take(message) {
    if (message.type === "settled" || message.type === "view" || message.type === "set"
      || message.type === "filtered" || message.type === "placed" || message.type === "told") {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      const error = message.type === "settled" ? null : message.error;
      if (error) waiting?.reject?.(new VitrineError(CODES[message.type], error));
      else waiting?.resolve?.(message.type === "told" ? message : undefined);
    } else if (message.type === "filming") {
      this.#reports.get(message.id)?.(message.done, message.total);
    } else if (message.type === "seen") {
      this.#seen = message;
      for (const hear of this.#followers) hear(message);
    } else {
      this.#receive(message);
    }
  }

  /** @param {(id: number) => ToWorker} question */
  #ask(question) {
    /** @type {Deferred<any>} */
    const answer = new Deferred();
    const id = this.#nextId++;
    if (this.#ended) {
      answer.reject?.(new VitrineError("disposed", "The view was disposed of."));
    } else {
      this.#waiting.set(id, answer);
      try {
        this.post(question(id));
      } catch (error) {
        // A view that holds something that cannot be cloned, a function say.
        this.#waiting.delete(id);
        answer.reject?.(new VitrineError("view", String(error)));
      }
    }
    return answer.promise;
  }
}
