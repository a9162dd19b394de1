// Times the passes of a frame by timestamp queries, and reads the number of splats drawn.
// Only while the overlay is on: it reads back, which a steady frame never does.

const MAX_PASSES = 64;
/** Passes that a generator brings beside its own. */
const OF_GENERATOR = new Set(["clear", "live"]);

/** What decides whether a filter rests. */
const OF_FILTER = new Set(["similar"]);

/** @typedef {{gpuMs: Record<string, number> | null, drawn: number}} Timing */

export class PassTimer {
  /** @param {GPUDevice} device @param {number} keyCountOffset Of SortState.key_count, in bytes. */
  constructor(device, keyCountOffset) {
    this.device = device;
    this.keyCountOffset = keyCountOffset;
    /** @type {string[]} */
    this.labels = [];
    this.busy = false;
    const stampBytes = 16 * MAX_PASSES;
    this.queries = device.features.has("timestamp-query")
      ? device.createQuerySet({ type: "timestamp", count: 2 * MAX_PASSES })
      : null;
    this.resolved = device.createBuffer({
      label: "timer.resolved",
      size: stampBytes,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    this.readable = device.createBuffer({
      label: "timer.readable",
      size: stampBytes + 16,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
  }

  /** Where a pass writes its two stamps.
   * @param {string} label */
  stamps(label) {
    if (!this.queries || this.labels.length === MAX_PASSES) return undefined;
    const first = 2 * this.labels.length;
    this.labels.push(label);
    return {
      querySet: this.queries,
      beginningOfPassWriteIndex: first,
      endOfPassWriteIndex: first + 1,
    };
  }

  /** Copy what this frame measured to where it can be read.
   * @param {GPUCommandEncoder} encoder @param {GPUBuffer} sortState */
  resolve(encoder, sortState) {
    if (this.queries) {
      encoder.resolveQuerySet(this.queries, 0, 2 * this.labels.length, this.resolved, 0);
    }
    const bytes = 16 * MAX_PASSES;
    encoder.copyBufferToBuffer(this.resolved, 0, this.readable, 0, bytes);
    encoder.copyBufferToBuffer(sortState, 0, this.readable, bytes, 16);
  }

  /** Wait for the frame and read it: milliseconds a stage. @returns {Promise<Timing>} */
  async read() {
    this.busy = true;
    await this.readable.mapAsync(GPUMapMode.READ);
    const data = this.readable.getMappedRange();
    const stamps = new BigUint64Array(data, 0, 2 * MAX_PASSES);
    /** @type {Record<string, number>} */
    const gpuMs = {};
    this.labels.forEach((label, i) => {
      // splat_0, splat.mask_1, ... are one stage; filter:0, filter:1 are those of a filter
      const first = label.split(/[._]/)[0];
      const stage = OF_GENERATOR.has(first) ? "generator" : OF_FILTER.has(first) ? "filter:0" : first;
      gpuMs[stage] = (gpuMs[stage] ?? 0) + Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6;
    });
    const drawn = new Uint32Array(data, 16 * MAX_PASSES, 4)[this.keyCountOffset / 4];
    this.readable.unmap();
    this.labels.length = 0;
    this.busy = false;
    return { gpuMs: this.queries ? gpuMs : null, drawn };
  }

  destroy() {
    this.queries?.destroy();
    this.resolved.destroy();
    this.readable.destroy();
  }
}
