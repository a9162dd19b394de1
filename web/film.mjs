// Frames to a video file: WebCodecs encodes them one by one, as fast as it can, and webm.mjs keeps them.

import { Failure } from "./loading.mjs";
import { webm } from "./webm.mjs";

/** What is tried, best first, unless one is asked for: VP9, VP8, AV1. */
const CODECS = ["vp09.00.51.08", "vp8", "av01.0.12M.08"];
/** Of a usual rate: splats move all over the picture. */
const BITS_A_PIXEL = 0.15;
const KEY_S = 2;
const QUEUE = 3;

/** @param {number} side Codecs halve the chroma. */
const even = (side) => Math.max(2, side - (side % 2));

export class Film {
  /** @type {import("./webm.mjs").Frame[]} */
  #frames = [];
  /** @type {VideoDecoderConfig | null} */
  #told = null;
  /** @type {Error | null} */
  #error = null;
  #encoder;
  #config;
  #fps;

  /** @param {VideoEncoderConfig} config @param {number} fps */
  constructor(config, fps) {
    this.#config = config;
    this.#fps = fps;
    this.width = config.width;
    this.height = config.height;
    this.#encoder = new VideoEncoder({
      output: (chunk, metadata) => {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        this.#told ??= metadata?.decoderConfig ?? null;
        this.#frames.push({ data, time_us: chunk.timestamp, key: chunk.type === "key" });
      },
      error: (error) => {
        this.#error = error;
      },
    });
    this.#encoder.configure(config);
  }

  /**
   * @param {{width: number, height: number, fps?: number, codec?: string, bitrate?: number}} asked
   *   Sides are made even; bits a second.
   */
  static async open({ width, height, fps = 30, codec, bitrate }) {
    if (typeof VideoEncoder === "undefined") {
      throw new Failure("view", "This browser encodes no video (it has no WebCodecs)");
    }
    const [w, h] = [even(width), even(height)];
    const bits = bitrate ?? Math.round(BITS_A_PIXEL * w * h * fps);
    const tried = codec ? [codec] : CODECS;
    for (const name of tried) {
      /** @type {VideoEncoderConfig} */
      const config = { codec: name, width: w, height: h, bitrate: bits, framerate: fps, latencyMode: "quality" };
      const { supported } = await VideoEncoder.isConfigSupported(config).catch(() => ({ supported: false }));
      if (supported) return new Film(config, fps);
    }
    throw new Failure("view", `This browser encodes no ${tried.join(", ")} of ${w} x ${h} pixels`);
  }

  /** @param {Uint8ClampedArray<ArrayBuffer>} pixels RGBA. @param {number} index */
  async add(pixels, index) {
    const [timestamp, next] = [index, index + 1].map((i) => Math.round((1e6 * i) / this.#fps));
    const frame = new VideoFrame(pixels, {
      format: "RGBX", codedWidth: this.width, codedHeight: this.height, timestamp, duration: next - timestamp,
    });
    this.#check();
    this.#encoder.encode(frame, { keyFrame: index % Math.max(1, Math.round(KEY_S * this.#fps)) === 0 });
    frame.close();
    while (this.#encoder.encodeQueueSize > QUEUE && !this.#error) {
      await new Promise((resolve) => this.#encoder.addEventListener("dequeue", resolve, { once: true }));
    }
    this.#check();
  }

  /** The file. */
  async end() {
    await this.#encoder.flush();
    this.#check();
    const { codec, width, height } = this.#config;
    const told = this.#told;
    const description = told?.description ? bytesOf(told.description) : undefined;
    const colour = told?.colorSpace ?? null;
    return webm({ width, height, codec, fps: this.#fps, description, colour }, this.#frames);
  }

  close() {
    if (this.#encoder.state !== "closed") this.#encoder.close();
  }

  #check() {
    if (this.#error) throw new Failure("view", `The video could not be encoded: ${this.#error.message}`);
  }
}

/** @param {AllowSharedBufferSource} source @returns {Uint8Array<ArrayBuffer>} */
function bytesOf(source) {
  const view = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : new Uint8Array(source);
  return Uint8Array.from(view);
}
