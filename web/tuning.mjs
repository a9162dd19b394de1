// Which kernel of several is fastest here: pyengine/tuning.py for a page, with the choices kept in
// IndexedDB. The logic is the same, and a test compares the two.

import { checked } from "./compute.mjs";
import { Executor } from "./executor.mjs";
import { pipelineOf, programPlan } from "./program-plan.mjs";

/**
 * @typedef {import("./program-plan.mjs").Program} Program
 * @typedef {{key: string, dispatches: number[], candidates: number[]}} Task
 *   A choice for all dispatches that are alike; the default candidate first.
 * @typedef {(task: Task, candidate: number) => Promise<number | null>} Measure
 *   Milliseconds; null where the kernel fails.
 */

const MARGIN = 0.95;
const HOPELESS = 2;
const ROUNDS = 3;
/** A pass is at least so long: browsers round time stamps to 0.1 ms. */
const MEASURED_MS = 4;
const MOST_REPEATS = 64;
const DATABASE = "vitrine";
const STORE = "tuning";

/** @param {string} text */
async function digest(text) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...bytes.subarray(0, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Choices that a program leaves to a device.
 * @param {Program} program @param {Record<string, string>} shaders
 * @param {number[][]} usable Candidates of each dispatch, best first. @returns {Promise<Task[]>} */
export async function tasksOf(program, shaders, usable) {
  /** @type {Map<string, Task>} */
  const tasks = new Map();
  for (const [index, { bindings, candidates }] of program.dispatches.entries()) {
    if (usable[index].length === 1) continue;
    const kernels = candidates.map((candidate) => {
      const { shader, constants, entry, layout } = pipelineOf(program, candidate);
      const { workgroups } = candidate;
      return [shaders[shader], constants, entry, layout, Array.isArray(workgroups) ? workgroups : 0];
    });
    const sizes = bindings.map((part) => "texture" in part ? null : part.size_bytes);
    const key = await digest(JSON.stringify([sizes, usable[index], kernels]));
    const task = tasks.get(key) ?? { key, dispatches: [], candidates: usable[index] };
    task.dispatches.push(index);
    tasks.set(key, task);
  }
  return [...tasks.values()];
}

/** Choose a candidate for each task, by measuring those that are not known; see `tune` of
 * pyengine/tuning.py.
 * @param {Task[]} tasks @param {Record<string, number>} known @param {Measure} measure
 * @param {() => number} clock Seconds. @param {number} budgetS
 * @returns {Promise<Record<string, number>>} */
export async function tune(tasks, known, measure, clock, budgetS) {
  /** @type {Record<string, number>} */
  const chosen = {};
  for (const { key, candidates } of tasks) {
    if (candidates.includes(known[key])) chosen[key] = known[key];
  }
  const end = clock() + budgetS;
  /** @type {{task: Task, ms: number}[]} */
  const measured = [];
  for (const task of tasks) {
    if (task.key in chosen) continue;
    if (clock() >= end) break;
    measured.push({ task, ms: (await measure(task, task.candidates[0])) ?? Infinity });
  }
  const total = (/** @type {{task: Task, ms: number}} */ { task, ms }) => ms * task.dispatches.length;
  measured.sort((a, b) => total(a) === total(b) ? 0 : total(b) - total(a));
  for (const { task, ms } of measured) {
    if (clock() >= end) break;
    const best = await fastest(task, ms, measure, clock, end);
    if (best !== null) chosen[task.key] = best;
  }
  return chosen;
}

/** @param {Task} task @param {number} firstMs @param {Measure} measure
 * @param {() => number} clock @param {number} end @returns {Promise<number | null>} */
async function fastest(task, firstMs, measure, clock, end) {
  const [standard, ...others] = task.candidates;
  const best = new Map([[standard, firstMs]]);
  const bestOf = (/** @type {number} */ candidate) => best.get(candidate) ?? Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const hopeless = HOPELESS * Math.min(...best.values());
    for (const candidate of round ? task.candidates : others) {
      if (clock() >= end) {
        if (!round) return null;
        break;
      }
      if (round && bestOf(candidate) > hopeless) continue;
      const ms = (await measure(task, candidate)) ?? Infinity;
      best.set(candidate, Math.min(bestOf(candidate), ms));
    }
  }
  const first = others.reduce((a, b) => (bestOf(b) < bestOf(a) ? b : a));
  if (bestOf(first) < MARGIN * bestOf(standard)) return first;
  return bestOf(standard) < Infinity ? standard : null;
}

/** Times single dispatches on buffers of a program that ran. */
export class Bench {
  /** @param {Program} program @param {Record<string, string>} shaders @param {Executor} executor */
  constructor(program, shaders, executor) {
    this.program = program;
    this.shaders = shaders;
    this.device = executor.device;
    this.buffers = executor.buffers;
    /** @type {Map<string, {executor: Executor, repeats: number}>} */
    this.made = new Map();
    this.queries = this.device.features.has("timestamp-query")
      ? this.device.createQuerySet({ type: "timestamp", count: 2 }) : null;
    const usage = GPUBufferUsage;
    this.resolved = this.device.createBuffer({ size: 16, usage: usage.QUERY_RESOLVE | usage.COPY_SRC });
    this.readable = this.device.createBuffer({ size: 16, usage: usage.COPY_DST | usage.MAP_READ });
  }

  /** @type {Measure} */
  measure = async (task, candidate) => {
    try {
      const name = `${task.key} ${candidate}`;
      let kernel = this.made.get(name);
      if (!kernel) {
        const executor = await this.#prepare(task, candidate);
        await this.#timeMs(executor, 0); // the first run compiles, too
        const ms = await this.#timeMs(executor, 0);
        kernel = { executor, repeats: Math.min(Math.ceil(MEASURED_MS / Math.max(ms, 1e-6)), MOST_REPEATS) };
        this.made.set(name, kernel);
      }
      const index = Math.ceil(Math.log2(kernel.repeats));
      return (await this.#timeMs(kernel.executor, index)) / 2 ** index;
    } catch {
      return null;
    }
  };

  /** Schedules with 1, 2, 4, ... dispatches of a kernel. @param {Task} task @param {number} candidate */
  async #prepare(task, candidate) {
    const dispatch = this.program.dispatches[task.dispatches[0]];
    const program = { ...this.program, dispatches: [dispatch] };
    const plan = programPlan(program, this.shaders, [dispatch.candidates[candidate]]);
    const [pass] = plan.schedules.program;
    const one = pass.dispatches ?? [];
    plan.schedules = {};
    for (let repeats = 1; repeats <= MOST_REPEATS; repeats *= 2) {
      const dispatches = Array.from({ length: repeats }, () => one[0]);
      plan.schedules[`${repeats}`] = [{ ...pass, dispatches }];
    }
    const executor = new Executor(this.device, plan, null, "rgba8unorm", this.buffers);
    await checked(this.device, () => executor.compile(() => {}));
    await checked(this.device, () => executor.resize(1, 1));
    return executor;
  }

  /** @param {Executor} executor @param {number} schedule */
  async #timeMs(executor, schedule) {
    const { device, queries, resolved, readable } = this;
    const began = performance.now();
    await checked(device, () => executor.run(schedule, {
      stamps: () => queries
        ? { querySet: queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } : undefined,
      resolve: (/** @type {GPUCommandEncoder} */ encoder) => {
        if (!queries) return;
        encoder.resolveQuerySet(queries, 0, 2, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, readable, 0, 16);
      },
    }));
    await device.queue.onSubmittedWorkDone();
    if (!queries) return performance.now() - began;
    await readable.mapAsync(GPUMapMode.READ);
    const [start, end] = new BigUint64Array(readable.getMappedRange().slice(0));
    readable.unmap();
    return Number(end - start) / 1e6;
  }

  /** The program's buffers stay. */
  destroy() {
    this.queries?.destroy();
    this.resolved.destroy();
    this.readable.destroy();
  }
}

/** What a browser calls its adapter. @param {GPUDevice} device */
export function nameOf({ adapterInfo: { vendor, architecture, device, description } }) {
  return [vendor, architecture, device, description].filter(Boolean).join(" | ");
}

/** @template T @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>[]} work @returns {Promise<T[]>} */
function stored(mode, work) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(STORE, mode);
      const requests = work(transaction.objectStore(STORE));
      transaction.onabort = () => reject(transaction.error);
      transaction.oncomplete = () => {
        database.close();
        resolve(requests.map(({ result }) => result));
      };
    };
  });
}

/** Choices by key that were kept for an adapter; none where the browser keeps nothing.
 * @param {string} adapter @param {Task[]} tasks @returns {Promise<Record<string, number>>} */
export async function knownChoices(adapter, tasks) {
  try {
    const found = await stored("readonly", (store) =>
      tasks.map(({ key }) => store.get(`${adapter}\n${key}`)));
    return Object.fromEntries(tasks.map(({ key }, i) => [key, found[i]]));
  } catch {
    return {};
  }
}

/** @param {string} adapter @param {Record<string, number>} choices */
export async function keepChoices(adapter, choices) {
  await stored("readwrite", (store) => Object.entries(choices).map(([key, choice]) =>
    store.put(choice, `${adapter}\n${key}`))).catch(() => {});
}
