/** On the audio thread: samples come in, bands go out (view-mel.mjs). */

import { MelBands } from "./view-mel.mjs";

/** What an audio worklet has in its global scope. */
const scope = /** @type {{AudioWorkletProcessor: new () => {port: MessagePort}, sampleRate: number,
 *   registerProcessor: (name: string, processor: Function) => void}} */ (
  /** @type {unknown} */ (globalThis));

class MelProcessor extends scope.AudioWorkletProcessor {
  /** @param {{processorOptions: {bands: number}}} options */
  constructor({ processorOptions }) {
    super();
    this.mel = new MelBands(scope.sampleRate, processorOptions.bands);
    this.bands = new Float32Array(processorOptions.bands);
    this.mono = new Float32Array(0);
  }

  /**
   * @param {Float32Array[][]} inputs  Channels of each input; none while its source is silent.
   * @param {Float32Array[][]} outputs
   */
  process([channels], [[out]]) {
    const length = channels[0]?.length ?? out?.length ?? 128;
    if (this.mono.length !== length) this.mono = new Float32Array(length);
    this.mono.fill(0);
    for (const channel of channels) {
      for (let i = 0; i < length; i++) this.mono[i] += channel[i] / channels.length;
    }
    if (this.mel.add(this.mono)) {
      this.mel.read(this.bands);
      this.port.postMessage(this.bands);
    }
    return true;
  }
}

scope.registerProcessor("vitrine-mel", MelProcessor);
