/** What an element can tell a page: its events, by functions that are taken back with one call. */

/** Where an element keeps who hears of its frames, out of sight of the page. */
export const FRAMES = Symbol("frames");

export class ListeningElement extends HTMLElement {
  /** `changed` is set by the element: its worker tells of frames while somebody hears of them. */
  [FRAMES] = { heard: 0, changed: () => {} };

  /**
   * Call a function with the `detail` of each event of a name.
   * @param {string} name  As docs/embedding.md lists them. `frame` comes only to those who ask here.
   * @param {(detail: any) => void} hear
   * @returns {() => void}  Ends it.
   */
  on(name, hear) {
    const listen = (/** @type {Event} */ event) => hear(/** @type {CustomEvent} */ (event).detail);
    this.addEventListener(name, listen);
    if (name === "frame") this.#count(1);
    let on = true;
    return () => {
      if (!on) return;
      on = false;
      this.removeEventListener(name, listen);
      if (name === "frame") this.#count(-1);
    };
  }

  /** @param {1 | -1} more */
  #count(more) {
    const frames = this[FRAMES];
    frames.heard += more;
    if (frames.heard === (more === 1 ? 1 : 0)) frames.changed();
  }
}
