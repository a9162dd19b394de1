/**
 * Sound as a network hears it: bands of the mel scale, each 0 to 1 for -80 to 0 dB. The formula is
 * in docs/embedding.md; view-mel-worklet.mjs runs this on the audio thread.
 */

const LOW_HZ = 60;
const HIGH_HZ = 8000;
const FLOOR_DB = -80;
/** A window holds about so much, a step to the next one about so little. */
const WINDOW_S = 0.04;
const HOP_S = 0.016;
/** Samples that the audio thread gets at a time. */
const QUANTUM = 128;
/** Equivalent noise bandwidth of a Hann window, in bins. */
const HANN_BINS = 1.5;

/** @param {number} hz */
const mel = (hz) => 2595 * Math.log10(1 + hz / 700);
/** @param {number} mels */
const hertz = (mels) => 700 * (10 ** (mels / 2595) - 1);

/** Takes samples, gives bands. */
export class MelBands {
  /** @type {Float32Array} */
  #samples;
  /** @type {Float32Array} */
  #window;
  /** First bin and weights of each band. @type {{first: number, weights: Float32Array}[]} */
  #filters;
  #fft;
  #power;
  #scale;
  #at = 0;
  #since = 0;

  /**
   * @param {number} rate_hz  Of the samples.
   * @param {number} bands
   */
  constructor(rate_hz, bands) {
    const size = 2 ** Math.round(Math.log2(rate_hz * WINDOW_S));
    this.hop = QUANTUM * Math.max(1, Math.round((rate_hz * HOP_S) / QUANTUM));
    this.#samples = new Float32Array(size);
    this.#window = Float32Array.from({ length: size }, (_, i) =>
      0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
    this.#filters = filters(rate_hz, size, bands);
    this.#fft = new Fft(size);
    this.#power = new Float32Array(size / 2 + 1);
    // A tone of full scale has the power 1, whichever bins it falls in.
    this.#scale = 4 / (HANN_BINS * (size / 2) ** 2);
    this.bands = bands;
  }

  /**
   * Take the next samples, no more than a hop of them; whether bands are due.
   * @param {ArrayLike<number>} samples
   */
  add(samples) {
    for (let i = 0; i < samples.length; i++) {
      this.#samples[this.#at] = samples[i];
      this.#at = (this.#at + 1) % this.#samples.length;
    }
    this.#since += samples.length;
    if (this.#since < this.hop) return false;
    this.#since -= this.hop;
    return true;
  }

  /** Bands of the newest window. @param {Float32Array} out */
  read(out) {
    const { re, im } = this.#fft;
    const size = this.#samples.length;
    for (let i = 0; i < size; i++) {
      re[i] = this.#samples[(this.#at + i) % size] * this.#window[i];
      im[i] = 0;
    }
    this.#fft.run();
    for (let k = 0; k < this.#power.length; k++) {
      this.#power[k] = (re[k] * re[k] + im[k] * im[k]) * this.#scale;
    }
    this.#filters.forEach(({ first, weights }, band) => {
      let energy = 1e-12;
      for (let i = 0; i < weights.length; i++) energy += weights[i] * this.#power[first + i];
      out[band] = Math.min(1, Math.max(0, 1 - (10 * Math.log10(energy)) / FLOOR_DB));
    });
  }
}

/**
 * Triangles that are evenly spaced in mels; a band between two bins has the nearest one.
 * @param {number} rate_hz
 * @param {number} size
 * @param {number} bands
 */
function filters(rate_hz, size, bands) {
  const high_hz = Math.min(HIGH_HZ, rate_hz / 2);
  const step = (mel(high_hz) - mel(LOW_HZ)) / (bands + 1);
  const edge = (/** @type {number} */ i) => hertz(mel(LOW_HZ) + i * step);
  return Array.from({ length: bands }, (_, band) => {
    const [low, middle, high] = [edge(band), edge(band + 1), edge(band + 2)];
    const bin_hz = rate_hz / size;
    const first = Math.ceil(low / bin_hz);
    const weights = [];
    for (let k = first; k * bin_hz < high && k <= size / 2; k++) {
      const at = k * bin_hz;
      weights.push(at < middle ? (at - low) / (middle - low) : (high - at) / (high - middle));
    }
    return weights.some((weight) => weight > 0)
      ? { first, weights: Float32Array.from(weights) }
      : { first: Math.round(middle / bin_hz), weights: Float32Array.of(1) };
  });
}

/** Fourier transform in place, of a power of two (Cooley and Tukey 1965, radix 2). */
class Fft {
  /** @param {number} size */
  constructor(size) {
    this.re = new Float64Array(size);
    this.im = new Float64Array(size);
    this.cos = Float64Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
    this.sin = Float64Array.from({ length: size / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / size));
    const bits = Math.log2(size);
    this.order = Uint32Array.from({ length: size }, (_, i) => {
      let reversed = 0;
      for (let bit = 0; bit < bits; bit++) reversed |= ((i >> bit) & 1) << (bits - 1 - bit);
      return reversed;
    });
  }

  run() {
    const { re, im, cos, sin, order } = this;
    const size = re.length;
    for (let i = 0; i < size; i++) {
      const j = order[i];
      if (j <= i) continue;
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let i = 0; i < half; i++) {
          const [c, s] = [cos[i * stride], sin[i * stride]];
          const [a, b] = [start + i, start + i + half];
          const x = re[b] * c - im[b] * s;
          const y = re[b] * s + im[b] * c;
          re[b] = re[a] - x;
          im[b] = im[a] - y;
          re[a] += x;
          im[a] += y;
        }
      }
    }
  }
}
