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

  /** Whether something has to come over the network yet. */
  get waits() {
    const [scene, engine] = [this.#stages.get("scene"), this.#stages.get("engine")];
    return !(scene && finished(scene) && engine && finished(engine));
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
