// Frames to a video file: WebCodecs encodes them one by one, as fast as it can, and webm.mjs or mp4.mjs
// makes the file.

import { Failure } from "./loading.mjs";
import { mp4 } from "./mp4.mjs";
import { webm } from "./webm.mjs";

/** What is tried, best first: VP9, VP8, AV1; H.264 of the levels 5.2 and 4.0.
 * @type {Record<string, string[]>} */
const CODECS = {
  "video/webm": ["vp09.00.51.08", "vp8", "av01.0.12M.08"],
  "video/mp4": ["avc1.640034", "avc1.640028", "avc1.420034", "avc1.420028"],
};
const H264 = "avc1";
/** Of a usual rate: splats move all over the picture. */
const BITS_A_PIXEL = 0.15;
const KEY_S = 2;
const QUEUE = 3;
const WAIT_MS = 50;

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
   * @param {{width: number, height: number, fps?: number, kind?: string, codec?: string,
   *   bitrate?: number}} asked Sides are made even; MIME type; bits a second.
   */
  static async open({ width, height, fps = 30, kind, codec, bitrate }) {
    if (typeof VideoEncoder === "undefined") {
      throw new Failure("view", "This browser encodes no video (it has no WebCodecs)");
    }
    const [w, h] = [even(width), even(height)];
    const bits = bitrate ?? Math.round(BITS_A_PIXEL * w * h * fps);
    if (kind && !CODECS[kind]) {
      throw new Failure("view", `A film is ${Object.keys(CODECS).join(" or ")}, not ${kind}`);
    }
    const tried = codec ? [codec] : kind ? CODECS[kind] : Object.values(CODECS).flat();
    for (const name of tried) {
      /** @type {VideoEncoderConfig} */
      const config = { codec: name, width: w, height: h, bitrate: bits, framerate: fps, latencyMode: "quality" };
      if (name.startsWith(H264)) config.avc = { format: "avc" };
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
      await new Promise((resolve) => {
        this.#encoder.addEventListener("dequeue", resolve, { once: true });
        setTimeout(resolve, WAIT_MS); // Safari did without that event
      });
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
    const write = codec.startsWith(H264) ? mp4 : webm;
    return write({ width, height, codec, fps: this.#fps, description, colour }, this.#frames);
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
