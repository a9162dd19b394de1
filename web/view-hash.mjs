/**
 * Keeps the text after the # of the page's address and the view alike: a link shows the view again,
 * and what the visitor does changes the link. What the text says is Python's: pyengine/share.py.
 */

const REST_MS = 400;

export class Hash {
  #hooks;
  #on = false;
  #timer = 0;
  /** What it wrote or opened last. */
  #text = "";
  /** Of what it shows: a URL, or a file. @type {unknown} */
  #source = null;
  #changed = () => {
    if (location.hash.slice(1) !== this.#text) this.open();
  };

  /**
   * @param {{text: () => Promise<string>, open: (text: string) => void}} hooks
   */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** @param {boolean} on  Whether the address is looked at and written. */
  set on(on) {
    if (on === this.#on) return;
    this.#on = on;
    clearTimeout(this.#timer);
    if (on) addEventListener("hashchange", this.#changed);
    else removeEventListener("hashchange", this.#changed);
  }

  /** A scene is shown: as the address says, unless that is of the one before. @param {unknown} source */
  begin(source) {
    const known = source === this.#source || location.hash.slice(1) !== this.#text;
    this.#source = source;
    if (known) this.open();
  }

  /** Show what the address says, if it says anything. */
  open() {
    const text = location.hash.slice(1);
    if (!this.#on || !/^v=/.test(text)) return;
    this.#text = text;
    this.#hooks.open(text);
  }

  /** The visitor did something: the address follows when the hands rest. */
  touch() {
    if (!this.#on) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#write(), REST_MS);
  }

  async #write() {
    const text = await this.#hooks.text().catch(() => "");
    if (!this.#on || !text || text === this.#text) return;
    this.#text = text;
    try {
      history.replaceState(history.state, "", `#${text}`);
    } catch {
      // Some browsers allow so many changes in so much time; the next one will do.
    }
  }
}
