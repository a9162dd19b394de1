/**
 * The worker that all elements of a page share: it starts with the first of them and ends with the
 * last. Each message says the number of its element.
 */

import { heldBy } from "./view-held.mjs";

/** @import {FromWorker, ToWorker} from "./view-protocol.mjs" */

/** How long a worker may take to free its GPU memory before it is ended. */
const GOODBYE_MS = 500;

/**
 * @typedef {object} Member  An element's end.
 * @property {(message: FromWorker) => void} take
 * @property {(reason: string, started: boolean) => void} failed  The worker has stopped, or did not
 *   start.
 */

/**
 * A module worker from any origin: browsers start workers from the page's own origin only, so one
 * from elsewhere is imported by a worker of two lines (its server must allow CORS).
 * @param {URL} url
 */
function startWorker(url) {
  const held = heldBy(url);
  if (held) return held.startWorker(url.href);
  if (url.origin === location.origin) return new Worker(url, { type: "module" });
  const source = `import ${JSON.stringify(url.href)};`;
  const blob = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(blob, { type: "module" });
  setTimeout(() => URL.revokeObjectURL(blob), 60_000);
  return worker;
}

class PageWorker {
  /** @type {Map<number, Member>} */
  #members = new Map();
  #next = 1;
  /** Whether it has answered once. */
  #started = false;
  #worker = startWorker(new URL("./worker.mjs", import.meta.url));

  constructor() {
    this.#worker.onmessage = ({ data }) => {
      this.#started = true;
      this.#members.get(data.element)?.take(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      if (current === this) current = null; // whoever comes next gets another one
      const reason = event.message || "its script did not load";
      for (const member of [...this.#members.values()]) member.failed(reason, this.#started);
    };
  }

  /** @param {Member} member */
  join(member) {
    const element = this.#next++;
    this.#members.set(element, member);
    return {
      /** @param {ToWorker} message @param {Transferable[]} transfer */
      post: (message, transfer) => this.#worker.postMessage({ element, ...message }, transfer),
      leave: () => this.#leave(element),
    };
  }

  /** @param {number} element */
  #leave(element) {
    this.#worker.postMessage({ type: "dispose", element });
    this.#members.delete(element);
    if (this.#members.size) return;
    if (current === this) current = null;
    this.#worker.postMessage({ type: "close" });
    setTimeout(() => this.#worker.terminate(), GOODBYE_MS);
  }
}

/** @type {PageWorker | null} */
let current = null;

/** Join the page's worker. @param {Member} member */
export function joinWorker(member) {
  current ??= new PageWorker();
  return current.join(member);
}
