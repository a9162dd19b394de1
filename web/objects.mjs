// Objects of a scene, on the worker's side: what is asked of them gathers between two frames and goes
// to Python with the frame's own call. Python's side is pyengine/hosts/page_objects.py.

/** Where the status of a frame says whether objects are to be uploaded, and how many changes failed. */
const MOVED_AT = 16;
const FAULTS_AT = 20;

/**
 * @typedef {{object_faults: () => string}} Host Of pyengine/hosts/page.py.
 * @typedef {object} Hooks
 * @property {() => Host | null} host
 * @property {() => void} resume Ask for a frame.
 * @property {(message: Record<string, unknown>) => void} tell
 */

/** Whether the buffer of objects is to be written before the frame. @param {DataView} status */
export const hasMoved = (status) => status.getInt32(MOVED_AT, true) > 0;

export class Objects {
  #hooks;
  /** Number, name and changes of each that came since the last frame. @type {[number, string, object][]} */
  #asked = [];
  /** Numbers of those that the frame took. @type {number[]} */
  #taken = [];

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** What the frame's call takes along: a text, empty for nothing. */
  take() {
    if (!this.#asked.length) return "";
    this.#taken = this.#asked.map(([id]) => id);
    return JSON.stringify(this.#asked.splice(0));
  }

  /** Answer what the frame took. @param {Uint8Array} status Of that frame.
   * @returns {number} Calls into Python. */
  answer({ buffer, byteOffset }) {
    if (!this.#taken.length) return 0;
    const failed = new DataView(buffer, byteOffset).getInt32(FAULTS_AT, true) > 0;
    /** @type {Map<number, string>} */
    const faults = new Map(failed ? JSON.parse(this.#hooks.host()?.object_faults() ?? "[]") : []);
    for (const id of this.#taken.splice(0)) {
      this.#hooks.tell({ type: "placed", id, error: faults.get(id) ?? null });
    }
    return failed ? 1 : 0;
  }

  /** Of the element's messages. @type {Record<string, (message: any) => void>} */
  handlers = {
    object: ({ name, changes, id }) => {
      if (!this.#hooks.host()) {
        this.#hooks.tell({ type: "placed", id, error: "no scene is loaded" });
        return;
      }
      this.#asked.push([id, name, changes]);
      this.#hooks.resume();
    },
  };
}
