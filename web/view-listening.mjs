/** What an element can tell a page: its events. Of frames its worker tells only while somebody hears of them. */

/** Where an element keeps who hears of its frames, out of sight of the page. */
export const FRAMES = Symbol("frames");

/** @typedef {{listener: EventListenerOrEventListenerObject, capture: boolean}} Hearer */

export class ListeningElement extends HTMLElement {
  /** `changed` is set by the element: its worker tells of frames while somebody hears of them. */
  [FRAMES] = { heard: 0, changed: () => {} };
  /** @type {Hearer[]} */
  #hearers = [];

  /**
   * Call a function with the `detail` of each event of a name.
   * @param {string} name  As docs/embedding.md lists them.
   * @param {(detail: any) => void} hear
   * @returns {() => void}  Ends it.
   */
  on(name, hear) {
    const listen = (/** @type {Event} */ event) => hear(/** @type {CustomEvent} */ (event).detail);
    this.addEventListener(name, listen);
    return () => this.removeEventListener(name, listen);
  }

  /**
   * As every element has it; whoever hears of frames is counted.
   * @param {string} type
   * @param {EventListenerOrEventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListener} */ (listener), options);
    const { capture = false, once = false, signal = null } = typeof options === "object" ? options : { capture: Boolean(options) };
    if (type !== "frame" || !listener || signal?.aborted || this.#hearer(listener, capture)) return;
    const hearer = { listener, capture };
    this.#hearers.push(hearer);
    if (once) super.addEventListener(type, () => this.#forget(hearer), { once, capture });
    signal?.addEventListener("abort", () => this.#forget(hearer), { once: true });
    this.#count();
  }

  /**
   * @param {string} type
   * @param {EventListenerOrEventListenerObject | null} listener
   * @param {boolean | EventListenerOptions} [options]
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, /** @type {EventListener} */ (listener), options);
    const { capture = false } = typeof options === "object" ? options : { capture: Boolean(options) };
    if (type === "frame" && listener) this.#forget(this.#hearer(listener, capture));
  }

  /** @param {EventListenerOrEventListenerObject} listener @param {boolean} capture */
  #hearer(listener, capture) {
    return this.#hearers.find((hearer) => hearer.listener === listener && hearer.capture === capture);
  }

  /** @param {Hearer | undefined} hearer */
  #forget(hearer) {
    this.#hearers = this.#hearers.filter((one) => one !== hearer);
    this.#count();
  }

  #count() {
    const frames = this[FRAMES];
    const before = frames.heard;
    frames.heard = this.#hearers.length;
    if (Boolean(before) !== Boolean(frames.heard)) frames.changed();
  }
}
