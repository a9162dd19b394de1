/**
 * When a scene is begun: as soon as its element is near what can be seen, and for visitors who save
 * data when they ask for it. Until then there is the poster, no worker, and nothing is downloaded.
 */

/** @import {Shown} from "./view-ui.mjs" */

/** How far out of sight is near: in heights and widths of the window. */
const NEAR = 0.25;

export class Patience {
  #target;
  /** @type {IntersectionObserver | null} */
  #observer = null;

  /** @param {HTMLElement} target */
  constructor(target) {
    this.#target = target;
  }

  /**
   * Wait for the moment, unless it is now.
   * @param {() => void} start  Called when it comes, until `end`.
   * @returns {{shown: Shown | null} | null}  What to show meanwhile; null: it is now.
   */
  wait(start) {
    this.end();
    if (savesData()) return { shown: asking(start) };
    if (isNear(this.#target)) return null;
    this.#observer = new IntersectionObserver((entries) => {
      if (!entries[entries.length - 1].isIntersecting) return;
      this.end();
      start();
    }, { rootMargin: `${100 * NEAR}%` });
    this.#observer.observe(this.#target);
    return { shown: null };
  }

  end() {
    this.#observer?.disconnect();
    this.#observer = null;
  }
}

/** Chromium alone tells; elsewhere nobody is known to save data. */
function savesData() {
  const { connection } = /** @type {{connection?: {saveData?: boolean}}} */ (navigator);
  return Boolean(connection?.saveData);
}

/** @param {() => void} start @returns {Shown} */
function asking(start) {
  return {
    title: "Data saver is on",
    body: "The scene is loaded when you ask for it.",
    choices: [{ label: "Load the scene", run: start }],
  };
}

/**
 * Whether to begin without waiting for an observer, which tells a frame later. In a frame of another
 * page only an observer knows what can be seen.
 * @param {HTMLElement} target
 */
function isNear(target) {
  if (window.top !== window || !target.getClientRects().length) return false;
  const { left, top, right, bottom } = target.getBoundingClientRect();
  const [x, y] = [NEAR * innerWidth, NEAR * innerHeight];
  return bottom >= -y && top <= innerHeight + y && right >= -x && left <= innerWidth + x;
}
