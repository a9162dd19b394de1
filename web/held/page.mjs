/** A page of one file (`vitrine export`): its files lie in its script elements, as text. */

import { HeldFiles } from "./files.mjs";

/** @param {string} text  Base64. @returns {Uint8Array<ArrayBuffer>} */
function bytesOf(text) {
  const { fromBase64 } = /** @type {any} */ (Uint8Array);
  if (fromBase64) return fromBase64.call(Uint8Array, text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** @param {HTMLScriptElement} element  Its text is let go of. */
async function take(element) {
  const packed = new Blob([bytesOf(element.textContent ?? "")]);
  const gzip = element.dataset.packing === "gzip";
  element.remove();
  if (!gzip) return packed;
  return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).blob();
}

/** @type {Map<string, HTMLScriptElement>} */
const found = new Map();
for (const element of /** @type {NodeListOf<HTMLScriptElement>} */ (
  document.querySelectorAll("script[data-file]"))) {
  found.set(/** @type {string} */ (element.dataset.file), element);
}

const files = HeldFiles.shared();
const base = files.add("", async (path) => {
  const file = found.get(path);
  if (!file) throw new Error(`${path} is not in this page.`);
  return take(file);
});

const view = /** @type {HTMLElement} */ (document.querySelector("vitrine-view"));
view.setAttribute("src", `${base}scene/scene.json`);
const poster = view.querySelector("img");
if (poster) view.setAttribute("poster", poster.src);
try {
  await files.defineElement(`${base}vitrine/`);
} catch (error) {
  const told = document.createElement("p");
  told.setAttribute("role", "alert");
  told.textContent = `This browser cannot show the scene (${error}). A newer one can.`;
  view.append(told);
}
