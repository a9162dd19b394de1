/** What an element can do with the objects of a scene: move, turn, scale, tint and hide them; save them. */

import { Gizmo } from "./view-gizmo.mjs";
import { ARRANGED, LookingElement, VIEWING } from "./view-looking.mjs";

/** @import {Placement, SceneInfo, SceneObject} from "./view-protocol.mjs" */

/** Where an element has the focus put on its handles, out of sight of the page. */
export const HANDLES = Symbol("handles");

export class ArrangingElement extends LookingElement {
  /** As they were told or set last. @type {SceneObject[]} */
  #objects = [];
  /** @type {string | null} */
  #selected = null;
  /** @type {Gizmo | null} */
  #gizmo = null;

  constructor() {
    super();
    this.addEventListener("ready", (event) => {
      const { detail } = /** @type {CustomEvent<SceneInfo>} */ (event);
      this.#objects = structuredClone(detail.objects ?? []);
      this.#selected = null;
      this.#gizmo?.show(null);
    });
    this.addEventListener("pick", (event) => {
      if (this.arranging) this.select(/** @type {CustomEvent} */ (event).detail?.object ?? null);
    });
  }

  /** Whether a click on an object lays handles over it, as the attribute `arrange` says it. */
  get arranging() {
    return this.hasAttribute("arrange");
  }

  set arranging(on) {
    this.toggleAttribute("arrange", Boolean(on));
    if (!on) this.select(null);
  }

  /** The objects of the scene as they stand; none in a scene of one file. Copies: `setObject` moves one. */
  get objects() {
    return structuredClone(this.#objects);
  }

  /**
   * Move an object, or change how it is drawn; what is not given stays.
   * @param {string} name
   * @param {Partial<Omit<Placement, "scale">> & {scale?: number | [number, number, number]}} changes
   * @returns {Promise<void>}  When the next frame has it; rejects with the code `object` where there is
   *   no such object, or a value that cannot be.
   */
  async setObject(name, changes) {
    await this[VIEWING].setObject(name, changes);
    const object = this.#objects.find((item) => item.name === name);
    if (!object) return;
    const { scale = object.scale, rotation = object.rotation, ...rest } = structuredClone(changes);
    const length = Math.hypot(...rotation);
    this.#placed(object, {
      ...rest,
      scale: typeof scale === "number" ? [scale, scale, scale] : scale,
      rotation: /** @type {Placement["rotation"]} */ (rotation.map((value) => value / length)),
    });
  }

  /** Name of the object that has handles to drag it by; null for none. */
  get selected() {
    return this.#selected;
  }

  /**
   * Lay handles over an object, by which a visitor moves, turns and scales it.
   * @param {string | null} name  null, or a name that no object has: over none.
   */
  select(name) {
    const object = this.#objects.find((item) => item.name === name);
    const before = this.#selected;
    this.#selected = object?.name ?? null;
    if (this.#selected === before) return;
    if (object) this.#gizmo ??= this.#newGizmo();
    this.#gizmo?.show(object ?? null);
    const gizmo = this.#gizmo;
    this[VIEWING].watch(object && gizmo ? (seen) => gizmo.follow(seen) : null);
    this.dispatchEvent(new CustomEvent("selected", { detail: { name: this.#selected } }));
  }

  /** The text of a scene.toml with the objects as they stand now, for `vitrine build`. @returns {Promise<string>} */
  async saveScene() {
    return (await this[VIEWING].ask("save")).value;
  }

  /** Put the focus on the handles of the object that is selected. */
  [HANDLES]() {
    this.#gizmo?.focus();
  }

  /** @param {SceneObject[]} objects */
  [ARRANGED](objects) {
    for (const { name, position, rotation, scale, visible, opacity, tint } of objects) {
      const placement = { position, rotation, scale, visible, opacity, tint };
      const object = this.#objects.find((item) => item.name === name);
      if (object && !stands(object, placement)) this.#placed(object, placement);
    }
  }

  #newGizmo() {
    const stage = /** @type {HTMLElement} */ (this.shadowRoot?.querySelector(".stage"));
    return new Gizmo(stage, {
      drag: (handle, start, from, to) => this.#drag({ handle, start, from, to }),
      nudge: (handle, steps) => this.#drag({ handle, steps }),
    });
  }

  /** @param {Record<string, unknown>} more  Of the handle. @returns {Promise<Placement>} */
  async #drag(more) {
    const name = this.#selected;
    const { value } = await this[VIEWING].ask("drag", { name, ...more });
    const object = this.#objects.find((item) => item.name === name);
    if (object) this.#placed(object, value);
    return value;
  }

  /** @param {SceneObject} object @param {Partial<Placement>} changes */
  #placed(object, changes) {
    Object.assign(object, changes);
    if (object.name === this.#selected) this.#gizmo?.show(object);
    this.dispatchEvent(new CustomEvent("object", { detail: { name: object.name } }));
  }
}

/** Whether an object has a placement already. @param {Placement} object @param {Placement} placement */
const stands = (object, placement) =>
  /** @type {(keyof Placement)[]} */ (Object.keys(placement)).every((key) => String(object[key]) === String(placement[key]));
