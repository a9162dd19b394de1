/** What an element can do with the objects of a scene: move, turn, scale, tint and hide them; save them. */

import { LookingElement, VIEWING } from "./view-looking.mjs";

/** @import {Placement, SceneInfo, SceneObject} from "./view-protocol.mjs" */

export class ArrangingElement extends LookingElement {
  /** As they were told or set last. @type {SceneObject[]} */
  #objects = [];

  constructor() {
    super();
    this.addEventListener("ready", (event) => {
      const { detail } = /** @type {CustomEvent<SceneInfo>} */ (event);
      this.#objects = structuredClone(detail.objects ?? []);
    });
  }

  /** The objects of the scene as they stand; none in a scene of one file. Copies: `setObject` moves one. */
  get objects() {
    return structuredClone(this.#objects);
  }

  /**
   * Move an object, or change how it is drawn; what is not given stays.
   * @param {string} name
   * @param {Partial<Placement> & {scale?: number | [number, number, number]}} changes
   * @returns {Promise<void>}  When the next frame has it; rejects with the code `object` where there is
   *   no such object, or a value that cannot be.
   */
  async setObject(name, changes) {
    await this[VIEWING].setObject(name, changes);
    const object = this.#objects.find((item) => item.name === name);
    if (!object) return;
    const { scale = object.scale, rotation = object.rotation, ...rest } = structuredClone(changes);
    const length = Math.hypot(...rotation);
    Object.assign(object, rest, {
      scale: typeof scale === "number" ? [scale, scale, scale] : scale,
      rotation: rotation.map((value) => value / length),
    });
    this.dispatchEvent(new CustomEvent("object", { detail: { name } }));
  }

  /** The text of a scene.toml with the objects as they stand now, for `vitrine build`. @returns {Promise<string>} */
  async saveScene() {
    return (await this[VIEWING].ask("save")).value;
  }
}
