/** The frame-time overlay: means over a quarter of a second, so that they can be read. */

/** @import {FrameStats, GpuTimes, SceneInfo} from "./view-protocol.mjs" */

const PAINT_MS = 250;
/** A longer pause is a scene that stood still, not a slow frame. */
const STILL_MS = 1000;
const PASSES = ["generator", "project", "sort", "splat", "composite", "present"];

/** Others are stages of a filter: filter:0, filter:1, ...
 * @typedef {"fps" | "frame" | "cpu" | "gpu" | "generator" | "project" | "sort" | "splat" | "composite" | "present" | "drawn" | "size" | "filter" | "memory" | "adapter" | `filter:${number}`} Row */

/** @type {[Row, string][]} */
const ROWS = [
  ["fps", "Frames a second"],
  ["frame", "Frame"],
  ["cpu", "CPU"],
  ["gpu", "GPU"],
  ["generator", "Generator"],
  ["project", "Project"],
  ["sort", "Sort"],
  ["splat", "Splat"],
  ["composite", "Composite"],
  ["present", "Present"],
  ["drawn", "Splats drawn"],
  ["size", "Pixels"],
  ["filter", "Filter"],
  ["memory", "GPU memory"],
  ["adapter", "Adapter"],
];
const INDENTED = new Set(PASSES);

export class Stats {
  /** @type {FrameStats[]} */
  #frames = [];
  /** @type {Map<Row, HTMLElement>} */
  #cells = new Map();
  #timer = 0;
  #lastFrame = 0;
  /** Of the filter that is on. @type {string[]} */
  #stages = [];
  #sizes = "–";
  /** @type {number | undefined} */
  #filteredBytes;

  constructor() {
    this.element = document.createElement("dl");
    this.element.className = "panel stats";
    this.element.hidden = true;
    this.element.setAttribute("aria-live", "off");
    this.element.setAttribute("aria-label", "Frame statistics");
    for (const [row, label] of ROWS) this.element.append(...this.#row(row, label));
    this.filter(null, []);
  }

  /** @param {Row} row @param {string} label */
  #row(row, label) {
    const term = document.createElement("dt");
    term.textContent = label;
    const cell = document.createElement("dd");
    cell.textContent = "–";
    cell.dataset.row = term.dataset.row = row;
    if (INDENTED.has(row) || row.includes(":")) term.className = "indented";
    this.#cells.set(row, cell);
    return [term, cell];
  }

  /** What the picture goes through.
   * @param {import("./view-protocol.mjs").FilterState | null} state @param {string[]} labels Of its stages. */
  filter(state, labels) {
    for (const row of this.element.querySelectorAll('[data-row^="filter:"]')) row.remove();
    for (const name of this.#stages) this.#cells.delete(/** @type {Row} */ (name));
    this.#stages = labels.map((_, i) => `filter:${i}`);
    const present = this.element.querySelector("[data-row=present]");
    labels.forEach((label, i) => present?.before(...this.#row(`filter:${i}`, label)));
    const on = Boolean(state?.name);
    for (const [row, hidden] of /** @type {const} */ ([["present", !on], ["filter", !on], ["composite", on]])) {
      for (const cell of this.element.querySelectorAll(`[data-row=${row}]`)) {
        /** @type {HTMLElement} */ (cell).hidden = hidden;
      }
    }
    const [from, to] = [state?.render, state?.output].map((size) => size?.join(" × ") ?? "–");
    this.#sizes = from === to ? from : `${from} → ${to}`;
    this.#put("filter", this.#sizes);
    this.#filteredBytes = state?.gpuBytes;
    if (state?.gpuBytes) this.#put("memory", megabytes(state.gpuBytes));
  }

  get on() {
    return !this.element.hidden;
  }

  set on(on) {
    this.element.hidden = !on;
    clearInterval(this.#timer);
    this.#frames = [];
    if (on) this.#timer = setInterval(() => this.#paint(), PAINT_MS);
  }

  /** @param {FrameStats} frame */
  add(frame) {
    const first = this.#cells.get("cpu")?.textContent === "–";
    this.#frames.push(frame);
    this.#lastFrame = performance.now();
    if (first) this.#paint();
  }

  /**
   * @param {SceneInfo | null} info
   * @param {{width: number, height: number}} size
   */
  describe(info, size) {
    this.#put("size", `${size.width} × ${size.height}`);
    this.#put("adapter", info?.adapter || "–");
    for (const cell of this.element.querySelectorAll("[data-row=generator]")) {
      /** @type {HTMLElement} */ (cell).hidden = !info?.generator;
    }
    this.#put("memory", info ? megabytes(this.#filteredBytes ?? info.gpuBytes) : "–");
    this.count = info?.count ?? null;
  }

  #paint() {
    const frames = this.#frames;
    this.#frames = [];
    if (!frames.length) {
      if (performance.now() - this.#lastFrame > STILL_MS) this.#put("fps", "still");
      return;
    }
    const running = frames.map(duration).filter((interval) => interval < STILL_MS);
    const interval = running.length ? mean(running) : Math.min(...frames.map(duration));
    this.#put("fps", (1000 / interval).toFixed(interval > 100 ? 1 : 0));
    this.#put("frame", ms(interval));
    this.#put("cpu", ms(mean(frames.map(({ cpuMs }) => cpuMs))));
    this.#paintGpu(frames.flatMap(({ gpuMs }) => (gpuMs ? [gpuMs] : [])));
    const { drawn, every = 1 } = frames[frames.length - 1];
    this.#put("filter", every > 1 ? `${this.#sizes}, each ${every} frames` : this.#sizes);
    const of = this.count ? ` of ${this.count.toLocaleString("en")}` : "";
    this.#put("drawn", drawn === null ? "–" : drawn.toLocaleString("en") + of);
  }

  /** @param {GpuTimes[]} times */
  #paintGpu(times) {
    let total = 0;
    for (const pass of [...PASSES, ...this.#stages]) {
      const value = times.length ? mean(times.map((time) => time[pass] ?? 0)) : 0;
      total += value;
      this.#put(/** @type {Row} */ (pass), times.length ? ms(value) : "–");
    }
    this.#put("gpu", times.length ? ms(total) : "not measured here");
  }

  /**
   * @param {Row} row
   * @param {string} text
   */
  #put(row, text) {
    const cell = this.#cells.get(row);
    if (cell && cell.textContent !== text) cell.textContent = text;
  }
}

/**
 * The first frame after a pause has no interval to speak of; no frame is shorter than its GPU work.
 * @param {FrameStats} frame
 */
function duration({ intervalMs, gpuMs }) {
  const gpu = Object.values(gpuMs ?? {}).reduce((sum, time) => sum + time, 0);
  return Math.max(intervalMs, gpu);
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** @param {number} value */
function ms(value) {
  return `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}
