/** Whether the visitor prefers that nothing moves by itself, and word of it while a scene is shown. */

export class Motion {
  #query = matchMedia("(prefers-reduced-motion: reduce)");
  #changed;

  /** @param {() => void} stop  They prefer it from now on. */
  constructor(stop) {
    this.#changed = (/** @type {MediaQueryListEvent} */ { matches }) => {
      if (matches) stop();
    };
  }

  get matches() {
    return this.#query.matches;
  }

  /** A query that is listened to keeps whoever listens, so only the scene that is shown does. @param {boolean} on */
  set listens(on) {
    if (on) this.#query.addEventListener("change", this.#changed);
    else this.#query.removeEventListener("change", this.#changed);
  }
}
