// The inputs of a generator that JavaScript fills: images, sound, the pointer. They are written
// where Python's bytearray of all inputs lies in wasm memory, so that a frame needs no call for
// them. The first 256 bytes of that memory are a header, which tells where the clip is.

/**
 * @typedef {import("./view-protocol.mjs").Feed} Feed
 * @typedef {{inputs: Function, set_input: Function}} Host Of pyengine/hosts/page.py.
 * @typedef {import("./view-protocol.mjs").Clock} Clock
 */

/** Offsets in the header, all of four bytes. */
const TIME = 0, PHASE = 4, PLAYING = 8, SPEED = 12, STEPS = 16;
/** Roles by which a generator goes on by itself while it plays. */
const RUNNING = new Set(["time", "phase", "frame", "state"]);

export class Feeds {
  /** @type {{data: Uint8Array<ArrayBuffer>, release: () => void}} */
  #memory;
  #host;
  /** @type {Map<string, Feed>} */
  #feeds = new Map();
  /** Images that wait for the next frame, by input. @type {Map<string, ImageBitmap>} */
  #images = new Map();
  /** Bytes that are newer than memory, of one instance. @type {Map<string, Uint8Array>} */
  #bytes = new Map();
  /** The frames that an input of sound remembers, newest last. @type {Map<string, Float32Array>} */
  #sound = new Map();
  /** Values that wait for the next frame. @type {Map<string, {text: string, ids: number[]}>} */
  #values = new Map();

  /** @param {Host} host @param {Feed[]} feeds */
  constructor(host, feeds) {
    this.#host = host;
    this.#memory = take(host);
    for (const feed of feeds) this.#feeds.set(feed.name, feed);
    /** Whether it goes on by itself while it plays. */
    this.runs = feeds.some(({ role, track }) => RUNNING.has(role) || track);
  }

  /** Its bytes; taken anew when Python's memory grew. */
  get bytes() {
    if (this.#memory.data.byteLength === 0) {
      this.#memory.release();
      this.#memory = take(this.#host);
    }
    return this.#memory.data;
  }

  /** @returns {Clock} */
  get clock() {
    const { buffer, byteOffset } = this.bytes;
    const header = new DataView(buffer, byteOffset);
    return {
      time: header.getFloat32(TIME, true),
      phase: header.getFloat32(PHASE, true),
      playing: header.getFloat32(PLAYING, true) > 0,
      speed: header.getFloat32(SPEED, true),
      steps: header.getUint32(STEPS, true),
    };
  }

  /** The newest picture of an input; an older one that nobody has seen is dropped.
   * @param {string} name @param {ImageBitmap} image */
  show(name, image) {
    this.#images.get(name)?.close();
    if (this.#feeds.get(name)?.role === "image") this.#images.set(name, image);
    else image.close();
  }

  /** The newest bands of an input of sound. @param {string} name @param {Float32Array} bands */
  hear(name, bands) {
    const feed = this.#feeds.get(name);
    if (feed?.role !== "audio.mel") return;
    const elements = one(feed);
    const frames = this.#sound.get(name) ?? new Float32Array(elements);
    frames.copyWithin(0, bands.length);
    frames.set(bands.subarray(0, elements), Math.max(0, elements - bands.length));
    this.#sound.set(name, frames);
    this.#bytes.set(name, new Uint8Array(frames.slice().buffer));
  }

  /** Where the pointer is. @param {number} x @param {number} y @param {boolean} pressed */
  point(x, y, pressed) {
    for (const feed of this.#feeds.values()) {
      if (feed.role !== "pointer") continue;
      const values = Float32Array.of(x, y, pressed ? 1 : 0).subarray(0, one(feed));
      this.#bytes.set(feed.name, new Uint8Array(values.slice().buffer));
    }
  }

  /** Values for an input, with the next frame; null gives it back to what fills it otherwise.
   * @param {string} name @param {number[] | null} values
   * @param {number} id Of the question that `flush` answers. */
  set(name, values, id) {
    const ids = [...(this.#values.get(name)?.ids ?? []), id];
    this.#values.set(name, { text: JSON.stringify(values), ids });
  }

  /** Write what came since the last frame.
   * @param {(id: number, error: string) => void} answer
   * @returns {{changed: boolean, calls: number}} Whether memory changed, and calls into Python. */
  flush(answer) {
    const calls = this.#values.size;
    for (const [name, { text, ids }] of this.#values) {
      const error = this.#host.set_input(name, text);
      for (const id of ids) answer(id, error);
    }
    this.#values.clear();
    for (const [name, image] of this.#images) {
      this.#bytes.set(name, pixels(image, /** @type {Feed} */ (this.#feeds.get(name))));
      image.close();
    }
    this.#images.clear();
    const changed = this.#bytes.size > 0;
    for (const [name, bytes] of this.#bytes) {
      const feed = this.#feeds.get(name);
      if (feed) this.#write(feed, bytes);
    }
    this.#bytes.clear();
    return { changed, calls };
  }

  /** Let go of Python's memory and of the pictures. */
  release() {
    this.#memory.release();
    for (const image of this.#images.values()) image.close();
    this.#images.clear();
  }

  /** Take over the values that no frame has written. @param {Feeds | null} before */
  goOn(before) {
    if (before) this.#values = before.#values;
  }

  /** @param {(id: number, error: string) => void} answer */
  refuse(answer) {
    for (const { ids } of this.#values.values()) for (const id of ids) answer(id, "another scene is shown");
  }

  /** @param {Feed} feed @param {Uint8Array} bytes The same for each instance. */
  #write({ offset_bytes, size_bytes }, bytes) {
    const end = offset_bytes + size_bytes;
    for (let at = offset_bytes; at + bytes.length <= end; at += bytes.length) {
      this.bytes.set(bytes, at);
    }
  }
}

/** @param {Host} host */
function take(host) {
  const proxy = host.inputs();
  const memory = proxy.getBuffer("u8");
  proxy.destroy();
  return memory;
}

/** Elements of one instance. @param {Feed} feed */
function one({ shape, batched }) {
  return (batched ? shape.slice(1) : shape).reduce((all, n) => all * n, 1);
}

/** @type {OffscreenCanvasRenderingContext2D | null} */
let paper = null;

/**
 * A picture's pixels at an input's size: it covers all of it, what juts out is cut off evenly.
 * @param {ImageBitmap} image @param {Feed} feed
 */
function pixels(image, { shape }) {
  const [height, width] = shape.slice(-2);
  paper ??= new OffscreenCanvas(width, height)
    .getContext("2d", { alpha: false, willReadFrequently: true });
  if (!paper) throw new Error("no 2D canvas to scale an image on");
  if (paper.canvas.width !== width) paper.canvas.width = width;
  if (paper.canvas.height !== height) paper.canvas.height = height;
  const scale = Math.max(width / image.width, height / image.height);
  const [w, h] = [image.width * scale, image.height * scale];
  paper.imageSmoothingQuality = "high";
  paper.fillRect(0, 0, width, height);
  paper.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
  return new Uint8Array(paper.getImageData(0, 0, width, height).data.buffer);
}
