/**
 * Watches what the engine must know of the element's place in the page: its size in device pixels
 * and whether anyone can see it.
 */

/** @typedef {{width: number, height: number}} Size  In device pixels. */

/** Canvases and textures of a device have no longer sides, unless it is asked for more than WebGPU promises. */
const MAX_PX = 8192;
/** A hidden page draws no frames; nothing waits for one longer than this. */
const FRAME_MS = 120;

export class Watch {
  #target;
  #onSize;
  #onVisible;
  #intersecting = true;
  #visible = true;
  /** @type {Size | null} */
  #size = null;
  #resize = new ResizeObserver((entries) => this.#resized(entries[entries.length - 1]));
  #intersection = new IntersectionObserver((entries) => {
    this.#intersecting = entries[entries.length - 1].isIntersecting;
    this.#seen();
  });
  #pageSeen = () => this.#seen();
  /** @type {MediaQueryList | null} */
  #ratio = null;
  #ratioChanged = () => {
    if (this.#ratio?.matches) return;
    this.#watchRatio();
    this.#report(this.#measure());
  };

  /**
   * @param {HTMLElement} target
   * @param {(size: Size) => void} onSize
   * @param {(visible: boolean) => void} onVisible
   */
  constructor(target, onSize, onVisible) {
    this.#target = target;
    this.#onSize = onSize;
    this.#onVisible = onVisible;
  }

  /** The size now; measured when nothing has been reported yet. */
  get size() {
    const { width, height } = this.#size ?? this.#measure();
    return drawn({ width: Math.max(1, width), height: Math.max(1, height) });
  }

  get visible() {
    return this.#visible;
  }

  /** Resolves when a change of the box has been told: after the next frame's layout. */
  laidOut() {
    return new Promise((resolve) => {
      requestAnimationFrame(() => setTimeout(resolve));
      setTimeout(resolve, FRAME_MS);
    });
  }

  start() {
    try {
      this.#resize.observe(this.#target, { box: "device-pixel-content-box" });
    } catch {
      this.#resize.observe(this.#target); // Safari has no device-pixel-content-box.
    }
    this.#intersection.observe(this.#target);
    document.addEventListener("visibilitychange", this.#pageSeen);
    window.addEventListener("resize", this.#ratioChanged); // Zooming tells by this as well.
    this.#watchRatio();
    this.#seen();
  }

  stop() {
    this.#resize.disconnect();
    this.#intersection.disconnect();
    document.removeEventListener("visibilitychange", this.#pageSeen);
    window.removeEventListener("resize", this.#ratioChanged);
    this.#ratio?.removeEventListener("change", this.#ratioChanged);
    this.#ratio = null;
    this.#size = null;
    this.#intersecting = true;
  }

  #seen() {
    const visible = this.#intersecting && document.visibilityState === "visible";
    if (visible === this.#visible) return;
    this.#visible = visible;
    this.#onVisible(visible);
  }

  /** A media query matches one ratio only, so each change needs the next query. */
  #watchRatio() {
    this.#ratio?.removeEventListener("change", this.#ratioChanged);
    this.#ratio = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    this.#ratio.addEventListener("change", this.#ratioChanged);
  }

  /**
   * The exact size differs from the rounded one by a pixel at most, except under a ratio that is
   * emulated (device tools, tests): then it is that of the real screen.
   * @param {ResizeObserverEntry} entry
   */
  #resized(entry) {
    const size = this.#measure();
    const exact = entry.devicePixelContentBoxSize?.[0];
    if (exact && Math.abs(exact.inlineSize - size.width) <= 1) size.width = exact.inlineSize;
    if (exact && Math.abs(exact.blockSize - size.height) <= 1) size.height = exact.blockSize;
    this.#report(size);
  }

  /** @returns {Size} */
  #measure() {
    const { clientWidth, clientHeight } = this.#target;
    const pixels = (/** @type {number} */ css) => Math.round(css * devicePixelRatio);
    return { width: pixels(clientWidth), height: pixels(clientHeight) };
  }

  /** @param {Size} size */
  #report(size) {
    if (size.width < 1 || size.height < 1) return; // display: none; the last size stays.
    if (this.#size?.width === size.width && this.#size.height === size.height) return;
    this.#size = size;
    this.#onSize(drawn(size));
  }
}

/** What is drawn for a box: of its shape, and no larger than can be. @param {Size} box @returns {Size} */
function drawn({ width, height }) {
  const scale = Math.min(1, MAX_PX / Math.max(width, height));
  const side = (/** @type {number} */ px) => Math.max(1, Math.round(px * scale));
  return { width: side(width), height: side(height) };
}
