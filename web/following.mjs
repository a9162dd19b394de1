// Tells the element the camera of each frame, while something lies over the picture that has to follow.

/**
 * @typedef {object} Hooks
 * @property {() => {bytes: Uint8Array<ArrayBuffer>, at: Record<string, number>} | null} frame The struct of
 *   the last frame, and where its fields are.
 * @property {(message: Record<string, unknown>) => void} tell
 */

export class Following {
  #hooks;
  #on = false;

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** A frame was drawn. */
  drawn() {
    const frame = this.#on ? this.#hooks.frame() : null;
    if (!frame) return;
    const { bytes: { buffer, byteOffset }, at } = frame;
    const data = new DataView(buffer, byteOffset);
    const numbers = (/** @type {string} */ name, /** @type {number} */ count) =>
      Array.from({ length: count }, (_, i) => data.getFloat32(at[name] + 4 * i, true));
    const lens = [...numbers("focal_px", 2), ...numbers("principal_px", 2), ...numbers("viewport_px", 2)];
    if (lens[4]) this.#hooks.tell({ type: "seen", view: numbers("view", 16), lens }); // not before the first
  }

  /** Of the element's messages. @type {Record<string, (message: any) => void>} */
  handlers = {
    follow: ({ on }) => {
      this.#on = on;
      this.drawn();
    },
  };
}
