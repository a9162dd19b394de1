/** What keys and the toolbar's buttons do. */

/** @import {Command} from "./view-keys.mjs" */

/**
 * @typedef {object} Parts
 * @property {import("./view-ui.mjs").Ui} ui
 * @property {import("./view-fullscreen.mjs").Fullscreen} fullscreen
 * @property {() => import("./view-player.mjs").Player} player
 * @property {() => import("./view-viewing.mjs").Viewing} viewing
 * @property {() => boolean} controls  Whether there is anything but the scene.
 * @property {() => void} reset
 * @property {(on: boolean) => void} stats
 */

export class Commands {
  #parts;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** @param {Command} command @returns {boolean} Whether it did something. */
  obey(command) {
    const { ui, fullscreen, player, viewing, controls, reset, stats } = this.#parts;
    if (command === "reset") reset();
    else if (command === "escape") return this.#escape();
    else if (command === "play") return player().toggle();
    else if (!controls()) return false;
    else if (command === "inputs") ui.showInputs(!ui.inputsShown);
    else if (command === "view") this.#view(!ui.viewShown);
    else if (command === "help") ui.showHelp(!ui.helpShown);
    else if (command === "overlay") stats(!ui.stats.on);
    else if (command === "fullscreen") fullscreen.toggle();
    else if (command.startsWith("mark")) viewing().press(Number(command.slice(4)));
    else viewing().press(/** @type {"add"} */ (command));
    return true;
  }

  /** Show the toolbar and all that it opens, or the scene alone. @param {boolean} on */
  offer(on) {
    this.#parts.ui.controls = on;
    if (!on) this.#parts.stats(false);
  }

  /** @param {boolean} shown */
  #view(shown) {
    this.#parts.ui.showView(shown);
    if (shown) this.#parts.viewing().refresh();
  }

  /** Escape closes the help, then the view's panel, then gives the wheel back to the page. */
  #escape() {
    const { ui, fullscreen } = this.#parts;
    if (ui.helpShown) ui.showHelp(false);
    else if (ui.viewShown) ui.showView(false);
    else if (fullscreen.on) return false;
    else ui.stage.blur();
    return true;
  }
}
