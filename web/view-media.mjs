/**
 * Pictures and sound for a generator's inputs: files, the camera, the microphone, an audio element.
 * Each input has one source at a time; a new one ends the one before.
 */

import { workletUrl } from "./view-held.mjs";
import { VitrineError } from "./view-session.mjs";

/** A camera is read no more often. */
const CAMERA_HZ = 30;
const CAMERA = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: CAMERA_HZ } };
/** As it sounds: what makes speech clearer makes music worse. */
const MICROPHONE = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/**
 * @typedef {object} MediaHooks
 * @property {(name: string, bitmap: ImageBitmap) => void} image
 * @property {(name: string, bands: Float32Array) => void} bands
 * @property {() => void} changed  A source began or ended.
 */
/** @typedef {"picture" | "camera" | "microphone" | "audio"} Kind */

/** An element's sound goes through one context for good, from when it is first listened to.
 * @type {WeakMap<HTMLMediaElement, MediaElementAudioSourceNode>} */
const elements = new WeakMap();

export class Media {
  #hooks;
  /** @type {Map<string, Source>} */
  #sources = new Map();

  /** @param {MediaHooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** What feeds an input now. @param {string} name */
  kind(name) {
    return this.#sources.get(name)?.kind ?? null;
  }

  /**
   * One picture; of several that are on their way the last one asked for.
   * @param {string} name
   * @param {ImageBitmapSource | string | URL} from
   */
  image(name, from) {
    return this.#begin(name, "picture", async (source) => {
      const bitmap = await bitmapOf(from);
      if (source.ended) bitmap.close();
      else this.#hooks.image(name, bitmap);
    });
  }

  /** The camera's pictures, as they come. @param {string} name */
  camera(name) {
    return this.#begin(name, "camera", async (source) => {
      const stream = await capture({ video: CAMERA });
      source.ends(() => stop(stream));
      if (source.ended) return;
      const video = document.createElement("video");
      video.muted = video.playsInline = true;
      video.srcObject = stream;
      source.ends(() => (video.srcObject = null));
      stream.getVideoTracks()[0].onended = () => this.#leave(name, source);
      await video.play().catch(() => {});
      let last_ms = -Infinity;
      eachFrame(video, source, async (now_ms) => {
        if (now_ms - last_ms < 900 / CAMERA_HZ) return;
        last_ms = now_ms;
        const bitmap = await createImageBitmap(video).catch(() => null);
        if (bitmap && source.ended) bitmap.close();
        else if (bitmap) this.#hooks.image(name, bitmap);
      });
    });
  }

  /**
   * What the microphone hears.
   * @param {string} name
   * @param {number} bands
   * @param {number} frames  That the input remembers.
   */
  microphone(name, bands, frames) {
    return this.#begin(name, "microphone", async (source) => {
      const stream = await capture({ audio: MICROPHONE });
      source.ends(() => stop(stream));
      if (source.ended) return;
      stream.getAudioTracks()[0].onended = () => this.#leave(name, source);
      const context = new AudioContext();
      source.ends(() => void context.close());
      await this.#listen(name, bands, frames, context.createMediaStreamSource(stream), source);
    });
  }

  /**
   * What an element plays; it is heard as before.
   * @param {string} name
   * @param {number} bands
   * @param {number} frames  That the input remembers.
   * @param {HTMLMediaElement} element
   */
  audio(name, bands, frames, element) {
    return this.#begin(name, "audio", async (source) => {
      let node = elements.get(element);
      if (!node) {
        node = new AudioContext().createMediaElementSource(element);
        node.connect(node.context.destination);
        elements.set(element, node);
      }
      const { context } = node;
      const wake = () => void (context instanceof AudioContext && context.resume());
      element.addEventListener("play", wake); // A page may only be loud after a gesture.
      source.ends(() => element.removeEventListener("play", wake));
      await this.#listen(name, bands, frames, node, source);
    });
  }

  /** End what feeds an input. @param {string} name */
  release(name) {
    const source = this.#sources.get(name);
    if (!source) return;
    this.#sources.delete(name);
    source.end();
    this.#hooks.changed();
  }

  /** End everything. */
  end() {
    for (const name of [...this.#sources.keys()]) this.release(name);
  }

  /**
   * Begin a source, in the place of the one before; it is over when that fails.
   * @param {string} name
   * @param {Kind} kind
   * @param {(source: Source) => Promise<void>} work
   */
  async #begin(name, kind, work) {
    this.release(name);
    const source = new Source(kind);
    this.#sources.set(name, source);
    this.#hooks.changed();
    try {
      await work(source);
    } catch (error) {
      this.#leave(name, source);
      if (error instanceof VitrineError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new VitrineError("media", `No ${kind} for ${name}: ${reason}.`);
    }
  }

  /** End a source, unless another one has its place. @param {string} name @param {Source} source */
  #leave(name, source) {
    if (this.#sources.get(name) === source) this.release(name);
    else source.end();
  }

  /**
   * @param {string} name
   * @param {number} bands
   * @param {number} frames
   * @param {AudioNode} from
   * @param {Source} source
   */
  async #listen(name, bands, frames, from, source) {
    const context = /** @type {AudioContext} */ (from.context);
    void context.resume();
    const worklet = await workletUrl(new URL("./view-mel-worklet.mjs", import.meta.url));
    await context.audioWorklet.addModule(worklet);
    if (source.ended) return;
    const ear = new AudioWorkletNode(context, "vitrine-mel", { processorOptions: { bands } });
    ear.port.onmessage = ({ data }) => {
      if (!source.ended) this.#hooks.bands(name, data);
    };
    const mute = context.createGain(); // What leads nowhere is not computed in every browser.
    mute.gain.value = 0;
    from.connect(ear).connect(mute).connect(context.destination);
    source.ends(() => {
      from.disconnect(ear);
      mute.disconnect();
      this.#hooks.bands(name, new Float32Array(bands * frames)); // silence
    });
  }
}

/** What feeds an input, and what is to be done at its end. */
class Source {
  /** @type {(() => unknown)[] | null} */
  #closing = [];

  /** @param {Kind} kind */
  constructor(kind) {
    this.kind = kind;
  }

  get ended() {
    return this.#closing === null;
  }

  /** Do it at the end; at once where that was before. @param {() => unknown} close */
  ends(close) {
    if (this.#closing) this.#closing.push(close);
    else close();
  }

  end() {
    const all = this.#closing ?? [];
    this.#closing = null;
    for (const close of all.reverse()) close();
  }
}

/** @param {MediaStreamConstraints} wanted */
async function capture(wanted) {
  if (!navigator.mediaDevices) throw new Error("browsers offer it over https and on localhost only");
  try {
    return await navigator.mediaDevices.getUserMedia(wanted);
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    if (name === "NotAllowedError") throw new Error("the browser was not allowed to use it");
    throw new Error(name === "NotFoundError" ? "there is none" : message);
  }
}

/** @param {MediaStream} stream */
function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** @param {ImageBitmapSource | string | URL} source */
async function bitmapOf(source) {
  try {
    if (source instanceof HTMLImageElement) await source.decode();
    if (typeof source !== "string" && !(source instanceof URL)) return await createImageBitmap(source);
    const answer = await fetch(source);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return await createImageBitmap(await answer.blob());
  } catch (error) {
    const what = source instanceof File ? source.name
      : typeof source === "string" || source instanceof URL ? String(source)
      : "what was given";
    const reason = error instanceof Error ? error.message : String(error);
    throw new VitrineError("media", `No picture in ${what}: ${reason}.`);
  }
}

/**
 * Call `take` for each new frame of a video, until its source has ended.
 * @param {HTMLVideoElement} video
 * @param {Source} source
 * @param {(now_ms: number) => Promise<void>} take
 */
function eachFrame(video, source, take) {
  let seen = -1;
  const next = async (/** @type {number} */ now_ms) => {
    if (source.ended) return;
    if (video.currentTime !== seen) {
      seen = video.currentTime;
      await take(now_ms);
    }
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  };
  void next(performance.now());
}
