// Pictures and films of what is shown, at any size: drawn into textures of their own, beside the
// canvas, with the buffers and pipelines that are there. Python's side is pyengine/hosts/page_capture.py.

import { Executor, mapped } from "./executor.mjs";
import { Film } from "./film.mjs";
import { Failure } from "./loading.mjs";
import { png } from "./png.mjs";

/**
 * @typedef {{picture: Function, begin_film: Function, film_step: Function,
 *   film_frame: Function, end_film: Function}} Host
 * @typedef {object} Hooks
 * @property {() => Promise<Host>} host
 * @property {() => Executor | null} executor That is shown.
 * @property {(target: Executor, index: number) => unknown} replay A schedule, with what it uploads.
 * @property {() => boolean} filtered Whether a filter is on.
 * @property {(on: boolean) => void} hold No frames of the canvas meanwhile.
 * @property {() => void} resume
 * @property {(message: Record<string, unknown>, transfer?: Transferable[]) => void} tell
 *
 * @typedef {{id: number, width: number, height: number, transparent?: boolean, kind?: string,
 *   quality?: number}} PictureMessage
 */

const MAX_PX = 16384;
/** Pixels of a picture that its bytes in memory allow. */
const MAX_PIXELS = 2 ** 27;
/** A picture with a side beyond the first is made of tiles with sides of the second. */
const WHOLE_PX = 4096, TILE_PX = 2048;
const ROW_BYTES = 256;
const CANVAS = "canvas";

export class Capture {
  #hooks;
  /** One after the other. @type {Promise<unknown>} */
  #chain = Promise.resolve();
  /** Films that are to stop. @type {Set<number>} */
  #cancelled = new Set();

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** Of the element's messages. @type {Record<string, (message: any) => void>} */
  handlers = {
    picture: (message) => this.#answer(message.id, () => this.#picture(message)),
    film: (message) => this.#answer(message.id, () => this.#film(message)),
    cancel: ({ id }) => void this.#cancelled.add(id),
  };

  /** @param {number} id @param {() => Promise<unknown>} work */
  #answer(id, work) {
    this.#chain = this.#chain.then(work).then(
      (value) => this.#hooks.tell({ type: "told", id, error: null, value }),
      (error) => this.#hooks.tell({ type: "told", id, error: error.message }),
    );
  }

  /** @param {PictureMessage} message */
  async #picture({ width, height, transparent = false, kind = "image/png", quality }) {
    const host = await this.#hooks.host();
    const beside = await this.#beside();
    const { device } = beside.made;
    try {
      const limit = device.limits.maxTextureDimension2D;
      const filtered = this.#hooks.filtered();
      check(width, height, filtered ? limit : MAX_PX);
      if (transparent && filtered) {
        throw new Failure("view", "A transparent picture is one of the splats: take the filter off first");
      }
      const whole = filtered || Math.max(width, height) <= Math.min(WHOLE_PX, limit);
      const side = whole ? Math.max(width, height) : TILE_PX;
      const pixels = new Uint8ClampedArray(4 * width * height);
      for (let y = 0; y < height; y += side) {
        for (let x = 0; x < width; x += side) {
          const w = Math.min(side, width - x), h = Math.min(side, height - y);
          beside.size(w, h);
          const index = host.picture(width, height, transparent ? 1 : 0, x, y, w, h);
          await beside.draw(index, (bytes, pitch) => copy(bytes, pitch, beside.swapped, pixels, width, x, y, w, h));
          this.#hooks.resume();
        }
      }
      if (transparent) unmultiply(pixels);
      return await encoded(pixels, width, height, transparent, kind, quality);
    } finally {
      beside.end();
      this.#hooks.resume();
    }
  }

  /** @param {any} message As `Film.open` takes it; `what`, `fps`, `seconds` of page_capture.py. */
  async #film(message) {
    const host = await this.#hooks.host();
    const beside = await this.#beside();
    /** @type {Film | null} */
    let film = null;
    this.#hooks.hold(true);
    try {
      check(message.width, message.height, Math.min(MAX_PX, beside.made.device.limits.maxTextureDimension2D));
      const { what, fps, seconds } = message;
      const { frames, error } = JSON.parse(host.begin_film(JSON.stringify({ what, fps, seconds })));
      if (error) throw new Failure("view", error);
      film = await Film.open(message);
      const { width, height } = film;
      beside.size(width, height);
      const pixels = new Uint8ClampedArray(4 * width * height);
      for (let i = 0; i < frames; i++) {
        if (this.#cancelled.delete(message.id)) throw new Failure("view", "The film was cancelled");
        for (let step; (step = host.film_step(i, width, height)) >= 0;) this.#hooks.replay(beside.made, step);
        await beside.draw(host.film_frame(width, height), (bytes, pitch) =>
          copy(bytes, pitch, beside.swapped, pixels, width, 0, 0, width, height));
        await film.add(pixels, i);
        this.#hooks.tell({ type: "filming", id: message.id, done: i + 1, total: frames });
      }
      return await film.end();
    } finally {
      film?.close();
      beside.end();
      this.#cancelled.delete(message.id);
      this.#hooks.hold(false);
      host.end_film(); // last: where the element is gone, so is the host
    }
  }

  /** An executor of what is shown that draws into a texture. */
  async #beside() {
    const from = this.#hooks.executor();
    if (!from) throw new Failure("view", "The scene is not loaded yet");
    const { device, plan, format } = from;
    const made = new Executor(device, plan, null, format, new Map(), from);
    await made.compile(() => {}); // all of it is there
    const alive = () => {
      if (this.#hooks.executor() !== from) throw new Failure("view", "The scene changed meanwhile; ask again");
    };
    /** @type {GPUBuffer | null} */
    let readable = null;
    const size = { width: 0, height: 0 };
    return {
      made,
      end() {
        made.drop();
        readable?.destroy();
      },
      swapped: format.startsWith("bgra"),
      /** @param {number} width @param {number} height */
      size(width, height) {
        if (size.width === width && size.height === height) return;
        Object.assign(size, { width, height });
        made.resize(width, height);
        readable?.destroy();
        readable = null;
      },
      /** Replay a schedule and look at the pixels that it makes.
       * @param {number} index @param {(bytes: Uint8Array, pitch: number) => void} take */
      draw: async (/** @type {number} */ index, /** @type {(bytes: Uint8Array, pitch: number) => void} */ take) => {
        alive();
        this.#hooks.replay(made, index);
        const { width, height } = size;
        const pitch = Math.ceil(4 * width / ROW_BYTES) * ROW_BYTES;
        readable ??= device.createBuffer({
          label: "capture", size: pitch * height, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
        });
        const encoder = device.createCommandEncoder();
        const texture = /** @type {GPUTexture} */ (made.textures.get(CANVAS));
        encoder.copyTextureToBuffer(
          { texture }, { buffer: readable, bytesPerRow: pitch }, [width, height]);
        device.queue.submit([encoder.finish()]);
        take(new Uint8Array(await mapped(readable)), pitch);
        readable.unmap();
        alive();
      },
    };
  }
}

/** @param {number} width @param {number} height @param {number} limit */
function check(width, height, limit) {
  const fits = [width, height].every((side) => Number.isInteger(side) && side >= 1 && side <= limit);
  if (!fits || width * height > MAX_PIXELS) {
    throw new Failure("view", `A picture of ${width} x ${height} pixels: wanted 1 to ${limit} a side, and ` +
      `${MAX_PIXELS} in all at most`);
  }
}

/** Rows of a tile to their place, as RGBA.
 * @param {Uint8Array} bytes @param {number} pitch @param {boolean} swapped Blue comes first.
 * @param {Uint8ClampedArray} pixels @param {number} width Of all. @param {number} x @param {number} y
 * @param {number} w @param {number} h */
function copy(bytes, pitch, swapped, pixels, width, x, y, w, h) {
  const red = swapped ? 2 : 0, blue = 2 - red;
  for (let row = 0; row < h; row++) {
    let to = 4 * ((y + row) * width + x);
    for (let from = row * pitch, end = from + 4 * w; from < end; from += 4, to += 4) {
      pixels[to] = bytes[from + red];
      pixels[to + 1] = bytes[from + 1];
      pixels[to + 2] = bytes[from + blue];
      pixels[to + 3] = bytes[from + 3];
    }
  }
}

/** @param {Uint8ClampedArray} pixels */
function unmultiply(pixels) {
  for (let i = 0; i < pixels.length; i += 4) {
    const alpha = pixels[i + 3];
    if (alpha === 255 || alpha === 0) continue;
    for (let c = 0; c < 3; c++) pixels[i + c] = (pixels[i + c] * 255) / alpha;
  }
}

/** @param {Uint8ClampedArray<ArrayBuffer>} pixels @param {number} width @param {number} height @param {boolean} alpha
 * @param {string} type @param {number | undefined} quality */
async function encoded(pixels, width, height, alpha, type, quality) {
  if (type === "image/png") return png(pixels, width, height, alpha);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
  const blob = await canvas.convertToBlob({ type, quality });
  if (blob.type !== type) throw new Failure("view", `This browser writes no ${type}; image/png is always there`);
  return blob;
}
