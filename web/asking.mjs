// What the element asks of the view, on the worker's side: the camera, the look, links. A question is
// one call into Python between two frames; Python's side is pyengine/hosts/page_view.py.

/** As pyengine.camera_rig.MOVES. */
const MOVES = ["", "turntable", "flight", "path"];
/** Where the status of a frame says what moves the camera. */
const MOVING_AT = 12;

/**
 * @typedef {{ask: (text: string) => string}} Host
 * @typedef {object} Hooks
 * @property {() => Promise<Host>} host
 * @property {() => void} resume Time begins with the next frame.
 * @property {(message: Record<string, unknown>) => void} tell
 */

export class Asking {
  #hooks;
  #moving = 0;

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** Tell the element what moves the camera, if that is news; whether anything does.
   * @param {Uint8Array} status Of the last frame. */
  tellMoving({ buffer, byteOffset }) {
    const moving = new DataView(buffer, byteOffset).getInt32(MOVING_AT, true);
    if (moving !== this.#moving) this.#hooks.tell({ type: "moving", what: MOVES[moving] });
    this.#moving = moving;
    return moving > 0;
  }

  /** Of the element's messages. @type {Record<string, (message: any) => void>} */
  handlers = {
    ask: ({ text, id }) => {
      this.#hooks.host().then((host) => {
        const { error = null, value = null, state = null } = JSON.parse(host.ask(text));
        this.#hooks.tell({ type: "told", id, error, value, state });
        this.#hooks.resume();
      }).catch((error) => this.#hooks.tell({ type: "told", id, error: String(error) }));
    },
  };
}
