/**
 * What went wrong, in words for the visitor: what it is, what can be done, whether to offer a retry.
 */

/** @import {ErrorCode} from "./view-protocol.mjs" */

/** @typedef {{title: string, body: string, retry: boolean}} Message */

const BROWSERS =
  "Chrome and Edge 113 or newer, Safari 26 and Firefox 141 on Windows have it. On Linux it may " +
  "have to be switched on.";

/** Extensions that the page unpacks by itself. */
export const FILE_TYPES = [".ply", ".splat", ".spz"];

/** @param {string} name */
export function opens(name) {
  return FILE_TYPES.some((type) => name.toLowerCase().endsWith(type));
}

/** @param {string} name */
export function cannotOpen(name) {
  return `Vitrine opens .ply, .splat and .spz files here; “${name}” is none of them.`;
}

/**
 * @param {ErrorCode} code
 * @param {string} detail  What the worker said.
 * @returns {Message}
 */
export function messageFor(code, detail) {
  switch (code) {
    case "no-webgpu":
      return isSecureContext
        ? { title: "This browser has no WebGPU", body: BROWSERS, retry: false }
        : {
            title: "WebGPU needs a secure page",
            body: `Browsers offer it over https and on localhost only; this page is at ${location.origin}.`,
            retry: false,
          };
    case "no-adapter":
      return {
        title: "No graphics card that WebGPU can use",
        body:
          "The browser found none. Check that hardware acceleration is on in its settings, " +
          "update the graphics driver, or try another browser.",
        retry: true,
      };
    case "download":
      return { title: "The scene did not load", body: detail, retry: true };
    case "file":
      return { title: "This file cannot be shown", body: detail, retry: false };
    case "limits":
      return { title: "The scene is too large for this device", body: detail, retry: false };
    default:
      return { title: "The engine stopped", body: detail, retry: true };
  }
}

/**
 * Progress of all stages as one: the bar, which never runs backwards, and the words beside it.
 *
 * @import {Progress, Stage} from "./view-protocol.mjs"
 */
export class Loading {
  /** Share of the bar that each stage fills. @type {Record<Stage, number>} */
  static SHARES = { engine: 0.3, scene: 0.55, shaders: 0.15 };

  /** @type {Map<Stage, Progress>} */
  #stages = new Map();
  #share = 0;

  /** @param {string} [what]  Name of a dropped file. */
  constructor(what) {
    this.what = what ? `“${what}”` : "the scene";
  }

  /**
   * @param {Progress} progress
   * @returns {{text: string, share: number}}
   */
  add(progress) {
    this.#stages.set(progress.stage, progress);
    let share = 0;
    for (const stage of this.#stages.values()) {
      if (stage.total) share += Loading.SHARES[stage.stage] * Math.min(1, stage.loaded / stage.total);
    }
    this.#share = Math.max(this.#share, share);
    return { text: this.text, share: this.#share };
  }

  get text() {
    const scene = this.#stages.get("scene");
    const shaders = this.#stages.get("shaders");
    const engine = this.#stages.get("engine");
    if (scene && !finished(scene)) return `Loading ${this.what}${amount(scene)}`;
    if (shaders) return `Preparing the GPU${amount(shaders)}`;
    if (engine && !finished(engine)) return `Starting the engine${amount(engine)}`;
    return engine || !scene ? `Loading ${this.what}` : "Starting the engine";
  }
}

/** @param {Progress} progress */
function finished({ loaded, total }) {
  return total > 0 && loaded >= total;
}

/** @param {Progress} progress */
function amount({ loaded, total }) {
  if (total > 0) return `, ${Math.min(100, Math.floor((100 * loaded) / total))} %`;
  return loaded > 0 ? `, ${(loaded / 1e6).toFixed(1)} MB` : "";
}
