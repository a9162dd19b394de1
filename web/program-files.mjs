// What a compiled program's folder holds, fetched; run by program.mjs alone, or as a generator.

import { fetchText } from "./loading.mjs";

/** @typedef {import("./program-plan.mjs").Program} Program */

const VERSION = 1;

/** Fetch program.json and the kernels.
 * @param {URL} url Of the folder, with a slash at its end.
 * @param {AbortSignal} [signal] Nobody waits for it any more.
 * @returns {Promise<{text: string, program: Program, shaders: Record<string, string>}>} */
export async function fetchProgram(url, signal) {
  const text = await fetchText(new URL("program.json", url), signal);
  const program = JSON.parse(text);
  if (program.vitrine_program !== VERSION) {
    throw new Error(`${url.href}: wanted a program of version ${VERSION}; compile it again`);
  }
  const shaders = Object.fromEntries(await Promise.all(
    Object.entries(/** @type {Record<string, string>} */ (program.shaders)).map(
      async ([name, file]) => [name, await fetchText(new URL(file, url), signal)])));
  return { text, program, shaders };
}

/** A program's buffers that have content: URL and size of each file.
 * @param {Program} program @param {URL} url
 * @returns {Record<string, {url: URL, size_bytes: number}>} By the file's name. */
export function programFiles(program, url) {
  return Object.fromEntries(program.buffers.flatMap(({ file, size_bytes }) =>
    file ? [[file, { url: new URL(file, url), size_bytes }]] : []));
}
