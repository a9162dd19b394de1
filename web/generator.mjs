// What a generator's bundle has beside its scene.json: a program, its weights, tracks of its inputs.

import { Failure, fetchBytes } from "./loading.mjs";
import { fetchProgram, programFiles } from "./program-files.mjs";

/**
 * @typedef {{url: URL, size_bytes: number}} File
 * @typedef {{file: string, frames: number}} Track
 * @typedef {{program: string, feeds: {name: string, shape: number[], batched: boolean,
 *   track: Track | null}[]}} Generator As scene.json has it.
 * @typedef {{program: string, shaders: string, files: Record<string, Promise<Uint8Array<ArrayBuffer>>>,
 *   tracks: Record<string, string>}} Bundle The program and its kernels as texts, files on their way,
 *   and which of them is the track of which input.
 */

/** Fetch side by side, with one progress for all.
 * @param {Record<string, File>} files
 * @param {(loaded: number, total: number) => void} report
 * @param {AbortSignal} [signal]
 * @returns {Record<string, Promise<Uint8Array<ArrayBuffer>>>} */
export function fetchAll(files, report, signal) {
  const total = Object.values(files).reduce((sum, { size_bytes }) => sum + size_bytes, 0);
  let loaded = 0;
  return Object.fromEntries(Object.entries(files).map(([name, { url, size_bytes }]) => {
    const bytes = fetchBytes(url, (piece) => report((loaded += piece), total), size_bytes, signal);
    bytes.catch(() => {}); // told where it is waited for
    return [name, bytes];
  }));
}

/** Fetch all that scene.json names.
 * @param {string} text Scene.json. @param {URL} url Its own.
 * @param {(loaded: number, total: number) => void} report
 * @param {AbortSignal} [signal] Nobody waits for it any more.
 * @returns {Promise<Bundle>} */
export async function fetchBundle(text, url, report, signal) {
  const scene = parsed(text, url);
  /** By the `source` of the plan's buffers. @type {Record<string, File>} */
  const files = {};
  for (const [name, { file, size_bytes }] of Object.entries(buffersOf(scene))) {
    files[name] = { url: new URL(file, url), size_bytes };
  }
  /** @type {Generator | undefined} Whether it is one in all, Python checks. */
  const generator = scene.generator;
  if (!generator) return { program: "", shaders: "", files: fetchAll(files, report, signal), tracks: {} };
  const folder = new URL(`${generator.program}/`, url);
  const { text: program, program: parts, shaders } = await fetchProgram(folder, signal);
  Object.assign(files, programFiles(parts, folder));
  /** @type {Record<string, string>} */
  const tracks = {};
  for (const { name, shape = [], batched, track } of generator.feeds ?? []) {
    if (!track) continue;
    const elements = (batched ? shape.slice(1) : shape).reduce((all, n) => all * n, 1);
    tracks[name] = track.file;
    files[track.file] = { url: new URL(track.file, url), size_bytes: 4 * track.frames * elements };
  }
  return { program, shaders: JSON.stringify(shaders), files: fetchAll(files, report, signal), tracks };
}

/** @param {any} scene @returns {Record<string, {file: string, size_bytes: number}>} */
const buffersOf = (scene) => scene.buffers ?? {};

/** @param {string} text @param {URL} url */
function parsed(text, url) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure("download", `${url.href} is no scene.json; build the site again.`);
  }
}
