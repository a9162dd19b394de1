/** The attributes of the element as properties. */

import { ListeningElement } from "./view-listening.mjs";

const NAMES = /** @type {const} */ (["src", "poster", "controls", "autoplay", "speed", "loop", "time", "filter", "camera", "hash",
  "budget", "mode", "arranging", "tool", "annotations"]);

export class ReflectingElement extends ListeningElement {
  get src() {
    return this.getAttribute("src") ?? "";
  }

  set src(url) {
    this.setAttribute("src", url);
  }

  get poster() {
    return this.getAttribute("poster") ?? "";
  }

  set poster(url) {
    this.setAttribute("poster", url);
  }

  get controls() {
    return this.getAttribute("controls") ?? "";
  }

  set controls(controls) {
    this.setAttribute("controls", controls);
  }

  /** Whether a clip begins to play when it is loaded. */
  get autoplay() {
    return this.hasAttribute("autoplay");
  }

  set autoplay(on) {
    this.toggleAttribute("autoplay", Boolean(on));
  }

  /** Megabytes of GPU memory that a scene may take; 0: as much as there is. */
  get budget() {
    const megabytes = parseFloat(this.getAttribute("budget") ?? "");
    return megabytes > 0 ? megabytes : 0;
  }

  set budget(megabytes) {
    this.setAttribute("budget", String(megabytes));
  }

  /** Properties that were set before the module was loaded hide the accessors; they become attributes. */
  upgradeProperties() {
    const own = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (this));
    for (const name of NAMES) {
      if (!Object.hasOwn(this, name)) continue;
      const value = own[name];
      delete own[name];
      own[name] = value;
    }
  }
}
