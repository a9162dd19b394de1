/** Files that an element is asked to show: one after the other, as long as nothing else is asked for. */

import { VitrineError } from "./view-session.mjs";

/** @import {SceneInfo} from "./view-protocol.mjs" */

const LEFT = "Another scene was asked for, or none, before the file's turn came.";

export class FileQueue {
  #open;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** Counts how often those that waited were left. */
  #left = 0;

  /** @param {(file: File) => Promise<SceneInfo>} open */
  constructor(open) {
    this.#open = open;
  }

  /** Open it in its turn. @param {File} file @returns {Promise<SceneInfo>} */
  add(file) {
    const left = this.#left;
    const opened = this.#last.then(() => {
      if (left !== this.#left) throw new VitrineError("disposed", LEFT);
      return this.#open(file);
    });
    this.#last = opened.catch(() => {});
    return opened;
  }

  /** Those that wait are not opened: whoever asked for them is told. */
  leave() {
    this.#left += 1;
  }
}
