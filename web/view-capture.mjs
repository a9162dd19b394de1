/** The panel's part for what is taken along: the link, a picture, a film. */

import { checkbox, make, picker, section, textButton } from "./view-parts.mjs";

/** @import {ViewState} from "./view-protocol.mjs" */

/**
 * @typedef {object} CaptureHooks
 * @property {() => void} link
 * @property {(options: {scale: number, transparent: boolean}) => Promise<void>} picture
 * @property {(options: FilmOptions) => Promise<void>} film
 *
 * @typedef {object} FilmOptions
 * @property {"turntable" | "path" | "clip"} what
 * @property {number} fps
 * @property {string} type
 * @property {AbortSignal} signal
 * @property {(done: number, total: number) => void} progress
 */

/** @type {[string, string][]} */
const SCALES = [["1", "As shown"], ["2", "2 ×"], ["4", "4 ×"], ["8", "8 ×"]];
/** @type {[string, string][]} */
const RATES = [["24", "24 fps"], ["30", "30 fps"], ["60", "60 fps"]];
/** @type {[string, string][]} */
const TYPES = [["video/webm", "WebM"], ["video/mp4", "MP4"]];
const WHATS = { turntable: "Turntable", path: "Path", clip: "Clip" };

export class CapturePart {
  #hooks;
  #scale = picker(SCALES);
  #clear = checkbox("Transparent");
  #what = picker([["turntable", WHATS.turntable]]);
  #fps = picker(RATES);
  #type = picker(TYPES);
  #save = textButton("Save picture", () => this.save());
  #record = textButton("Record video", () => this.#filmed());
  #bar = make("progress", "");
  #far = make("span", "unit");
  #cancel = textButton("Cancel", () => this.#abort?.abort());
  #going = make("div", "row going", this.#bar, this.#far, this.#cancel);
  /** @type {AbortController | null} */
  #abort = null;
  #saving = false;
  #whats = "";
  /** Whether there is a clip to film. */
  clip = false;

  /** @param {CaptureHooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
    const copy = textButton("Copy link", hooks.link);
    copy.title = "An address that shows this view again (L)";
    copy.setAttribute("aria-keyshortcuts", "L");
    this.#save.title = "A PNG file (X)";
    this.#save.setAttribute("aria-keyshortcuts", "X");
    this.#scale.setAttribute("aria-label", "Size of the picture");
    this.#what.setAttribute("aria-label", "What is filmed");
    this.#fps.setAttribute("aria-label", "Frames a second");
    this.#fps.value = "30";
    this.#type.setAttribute("aria-label", "Kind of file");
    this.#bar.setAttribute("aria-label", "Recording");
    this.#going.hidden = true;
    this.element = section(
      "Take along",
      make("div", "row", copy),
      make("div", "row", this.#scale, this.#clear.row),
      make("div", "row", this.#save),
      make("div", "row", this.#what, this.#fps, this.#type),
      make("div", "row", this.#record, this.#going),
    );
    this.#offer(["turntable"]);
  }

  /** @param {ViewState} state */
  show({ bookmarks }) {
    this.#offer(["turntable", ...(bookmarks.length > 1 ? ["path"] : []), ...(this.clip ? ["clip"] : [])]);
  }

  /** Save a picture as the panel says. */
  async save() {
    if (this.#saving) return;
    this.#saving = this.#save.disabled = true;
    const scale = Number(this.#scale.value);
    await this.#hooks.picture({ scale, transparent: this.#clear.box.checked });
    this.#saving = this.#save.disabled = false;
  }

  async #filmed() {
    this.#abort = new AbortController();
    this.#bar.removeAttribute("value");
    this.#far.textContent = "";
    this.#going.hidden = false;
    this.#record.hidden = true;
    this.#cancel.focus({ preventScroll: true });
    const what = /** @type {FilmOptions["what"]} */ (this.#what.value);
    await this.#hooks.film({
      what,
      fps: Number(this.#fps.value),
      type: this.#type.value,
      signal: this.#abort.signal,
      progress: (done, total) => {
        this.#bar.max = total;
        this.#bar.value = done;
        this.#far.textContent = `${done} / ${total}`;
      },
    });
    const within = this.#going.matches(":focus-within");
    this.#going.hidden = true;
    this.#record.hidden = false;
    if (within) this.#record.focus({ preventScroll: true });
    this.#abort = null;
  }

  /** @param {string[]} whats */
  #offer(whats) {
    const text = whats.join();
    if (text === this.#whats) return;
    this.#whats = text;
    const { value } = this.#what;
    const names = /** @type {Record<string, string>} */ (WHATS);
    this.#what.replaceChildren(...whats.map((what) => new Option(names[what], what)));
    if (whats.includes(value)) this.#what.value = value;
  }
}

/** Give a file to the visitor. @param {Blob} blob @param {string} ending @param {string} [name]  The page's unless given. */
export function download(blob, ending, name = titled()) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The page's title, as a file may be called. */
const titled = () => document.title.trim().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "view";
