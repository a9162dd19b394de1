/**
 * When nothing has come for a while. A connection can die without an error, and then a download
 * neither goes on nor ends: the visitor is told, and may begin again.
 */

import { SILENT } from "./view-messages.mjs";

/** @import {Ui} from "./view-ui.mjs" */

const SILENCE_MS = 30_000;

export class Silence {
  #ui;
  #retry;
  #timer = 0;
  #told = false;

  /** @param {Ui} ui @param {() => void} retry */
  constructor(ui, retry) {
    this.#ui = ui;
    this.#retry = retry;
  }

  /** Something came. @param {boolean} more  Whether more has to come. */
  heard(more) {
    if (this.#told) this.#ui.showMessage(null);
    this.end();
    if (more) this.#timer = setTimeout(() => this.#tell(), SILENCE_MS);
  }

  /** Nothing is waited for any more; what is shown stays. */
  end() {
    clearTimeout(this.#timer);
    this.#told = false;
  }

  #tell() {
    this.#told = true;
    this.#ui.showMessage({ ...SILENT, choices: [{ label: "Retry", run: this.#retry }] });
  }
}
