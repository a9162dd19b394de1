/**
 * Pictures and sound for a generator's inputs: files, the camera, the microphone, an audio element.
 * Each input has one source at a time; a new one ends the one before.
 */

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
/** @typedef {"camera" | "microphone" | "audio"} Kind */

/** An element's sound goes through one context for good, from when it is first listened to.
 * @type {WeakMap<HTMLMediaElement, {context: AudioContext, source: MediaElementAudioSourceNode}>} */
const elements = new WeakMap();

export class Media {
  #hooks;
  /** @type {Map<string, {kind: Kind, end: () => void}>} */
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
   * One picture.
   * @param {string} name
   * @param {ImageBitmapSource | string | URL} source
   */
  async image(name, source) {
    this.release(name);
    this.#hooks.image(name, await bitmapOf(source));
  }

  /** The camera's pictures, as they come. @param {string} name */
  async camera(name) {
    const { ends, ended, end } = this.#begin(name, "camera");
    const stream = await this.#capture(name, { video: CAMERA }, end);
    ends(() => stop(stream));
    if (ended()) return;
    const video = document.createElement("video");
    video.muted = video.playsInline = true;
    video.srcObject = stream;
    ends(() => (video.srcObject = null));
    stream.getVideoTracks()[0].onended = end;
    await video.play().catch(() => {});
    let last_ms = -Infinity;
    eachFrame(video, ended, async (now_ms) => {
      if (now_ms - last_ms < 900 / CAMERA_HZ) return;
      last_ms = now_ms;
      const bitmap = await createImageBitmap(video).catch(() => null);
      if (bitmap && ended()) bitmap.close();
      else if (bitmap) this.#hooks.image(name, bitmap);
    });
  }

  /**
   * What the microphone hears.
   * @param {string} name
   * @param {number} bands
   * @param {number} frames  That the input remembers.
   */
  async microphone(name, bands, frames) {
    const { ends, ended, end } = this.#begin(name, "microphone");
    const stream = await this.#capture(name, { audio: MICROPHONE }, end);
    ends(() => stop(stream));
    if (ended()) return;
    stream.getAudioTracks()[0].onended = end;
    const context = new AudioContext();
    ends(() => void context.close());
    await this.#listen(name, bands, frames, context, context.createMediaStreamSource(stream), ends, ended);
  }

  /**
   * What an element plays; it is heard as before.
   * @param {string} name
   * @param {number} bands
   * @param {number} frames  That the input remembers.
   * @param {HTMLMediaElement} element
   */
  async audio(name, bands, frames, element) {
    const { ends, ended } = this.#begin(name, "audio");
    let known = elements.get(element);
    if (!known) {
      const context = new AudioContext();
      known = { context, source: context.createMediaElementSource(element) };
      known.source.connect(context.destination);
      elements.set(element, known);
    }
    const { context, source } = known;
    const wake = () => void context.resume();
    element.addEventListener("play", wake); // A page may only be loud after a gesture.
    ends(() => element.removeEventListener("play", wake));
    await this.#listen(name, bands, frames, context, source, ends, ended);
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
   * A new source for an input. `ends` takes what is to be done at its end, at once when that was
   * before; `end` ends it if it is still the one.
   * @param {string} name
   * @param {Kind} kind
   */
  #begin(name, kind) {
    this.release(name);
    /** @type {(() => unknown)[] | null} */
    let closing = [];
    const source = {
      kind,
      end: () => {
        const all = closing ?? [];
        closing = null;
        for (const close of all.reverse()) close();
      },
    };
    this.#sources.set(name, source);
    this.#hooks.changed();
    return {
      /** @param {() => unknown} close */
      ends: (close) => void (closing ? closing.push(close) : close()),
      ended: () => closing === null,
      end: () => {
        if (this.#sources.get(name) === source) this.release(name);
      },
    };
  }

  /**
   * @param {string} name
   * @param {MediaStreamConstraints} wanted
   * @param {() => void} end
   */
  async #capture(name, wanted, end) {
    const what = wanted.video ? "camera" : "microphone";
    try {
      if (!navigator.mediaDevices) throw new Error("browsers offer it over https and on localhost only");
      return await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      end();
      const { name: kind, message } = /** @type {Error} */ (error);
      const reason =
        kind === "NotAllowedError" ? "the browser was not allowed to use it"
        : kind === "NotFoundError" ? "there is none"
        : message;
      throw new VitrineError("media", `No ${what} for ${name}: ${reason}.`);
    }
  }

  /**
   * @param {string} name
   * @param {number} bands
   * @param {number} frames
   * @param {AudioContext} context
   * @param {AudioNode} source
   * @param {(close: () => unknown) => void} ends
   * @param {() => boolean} ended
   */
  async #listen(name, bands, frames, context, source, ends, ended) {
    void context.resume();
    await context.audioWorklet.addModule(new URL("./view-mel-worklet.mjs", import.meta.url));
    if (ended()) return;
    const ear = new AudioWorkletNode(context, "vitrine-mel", { processorOptions: { bands } });
    ear.port.onmessage = ({ data }) => {
      if (!ended()) this.#hooks.bands(name, data);
    };
    const mute = context.createGain(); // What leads nowhere is not computed in every browser.
    mute.gain.value = 0;
    source.connect(ear).connect(mute).connect(context.destination);
    ends(() => {
      source.disconnect(ear);
      mute.disconnect();
      this.#hooks.bands(name, new Float32Array(bands * frames)); // silence
    });
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
 * Call `take` for each new frame of a video, until `ended`.
 * @param {HTMLVideoElement} video
 * @param {() => boolean} ended
 * @param {(now_ms: number) => Promise<void>} take
 */
function eachFrame(video, ended, take) {
  let seen = -1;
  const next = async (/** @type {number} */ now_ms) => {
    if (ended()) return;
    if (video.currentTime !== seen) {
      seen = video.currentTime;
      await take(now_ms);
    }
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  };
  void next(performance.now());
}
