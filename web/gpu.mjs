// The GPU of a page: one adapter and one device for all that is shown, asked for when it is first
// needed, and anew after it was lost.

import { openDevice } from "./loading.mjs";

/**
 * @typedef {object} Given
 * @property {GPUAdapter} adapter
 * @property {GPUDevice} device
 * @property {string} text What plans depend on, as Python takes it.
 */

export class Gpu {
  #onlost;
  /** @type {Promise<Given> | null} */
  #given = null;

  /** @param {(device: GPUDevice, info: GPUDeviceLostInfo) => void} onlost Another one can be had by then. */
  constructor(onlost) {
    this.#onlost = onlost;
  }

  /** @returns {Promise<Given>} */
  get() {
    if (!this.#given) {
      const given = this.#given = this.#ask();
      given.catch(() => {
        if (this.#given === given) this.#given = null; // the next one may have more luck
      });
    }
    return this.#given;
  }

  /** Let go of the device that is there: whoever uses it is told that it is lost. */
  drop() {
    this.#given?.then(({ device }) => device.destroy(), () => {});
  }

  async #ask() {
    const adapter = await openDevice.adapter();
    const device = await openDevice.device(adapter);
    device.lost.then((info) => {
      this.#given = null;
      this.#onlost(device, info);
    });
    return { adapter, device, text: JSON.stringify(openDevice.describe(adapter)) };
  }
}
