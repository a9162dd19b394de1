/** An element over the whole screen, and back. An iPhone has this for videos only. */

export class Fullscreen {
  #host;
  #changed;

  /**
   * @param {HTMLElement} host
   * @param {(on: boolean) => void} changed
   */
  constructor(host, changed) {
    this.#host = host;
    this.#changed = () => changed(this.on);
  }

  get on() {
    return this.#host.matches(":fullscreen");
  }

  start() {
    document.addEventListener("fullscreenchange", this.#changed);
  }

  stop() {
    document.removeEventListener("fullscreenchange", this.#changed);
  }

  toggle() {
    if (this.on) document.exitFullscreen().catch(() => {});
    else if (document.fullscreenEnabled) this.#host.requestFullscreen().catch(() => {});
  }
}
