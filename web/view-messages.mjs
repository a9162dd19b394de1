/**
 * What went wrong, in words for the visitor: what it is, what can be done, whether to offer a retry.
 */

/** @import {ErrorCode} from "./view-protocol.mjs" */

/** @typedef {{title: string, body: string, retry: boolean}} Message */

const BROWSERS =
  "Current versions of Chrome, Edge and Safari have it, and Firefox on Windows and Mac. On Linux " +
  "it may have to be switched on.";

/** Extensions that the page unpacks by itself. */
export const FILE_TYPES = [".ply", ".splat", ".spz"];

/** @param {string} name */
export function opens(name) {
  return FILE_TYPES.some((type) => name.toLowerCase().endsWith(type));
}

export const GPU_LOST = "The GPU was lost; bringing it back…";

/** Where a download neither goes on nor ends. */
export const SILENT = /** @type {const} */ ({
  title: "Nothing comes any more",
  body: "The connection is very slow, or it is lost. The scene goes on by itself when it is back.",
});

/** Shown where no scene is. */
export const INVITATION = /** @type {const} */ ({
  title: "Drop a scene here",
  body: "A .ply, .splat or .spz file. It stays on this device.",
  kind: "invite",
});

/** @param {string} name */
export function cannotOpen(name) {
  return `Vitrine opens .ply, .splat and .spz files here; “${name}” is none of them.`;
}

/**
 * @param {ErrorCode} code
 * @param {string} detail  What the worker said.
 * @returns {Message}
 */
export function messageFor(code, detail) {
  switch (code) {
    case "no-webgpu":
      return isSecureContext
        ? { title: "This browser has no WebGPU", body: BROWSERS, retry: false }
        : {
            title: "WebGPU needs a secure page",
            body: `Browsers offer it over https and on localhost only; this page is at ${location.origin}.`,
            retry: false,
          };
    case "no-adapter":
      return {
        title: "No graphics card that WebGPU can use",
        body:
          "The browser found none. Check that hardware acceleration is on in its settings, " +
          "update the graphics driver, or try another browser.",
        retry: true,
      };
    case "download":
      return { title: "The scene did not load", body: detail, retry: true };
    case "file":
      return { title: "This file cannot be shown", body: detail, retry: false };
    case "filter":
      return { title: "The filter is not shown", body: detail, retry: false };
    case "link":
      return { title: "Not all of the view is as asked", body: detail, retry: false };
    case "limits":
      return { title: "The scene is too large for this device", body: detail, retry: false };
    default:
      return { title: "The engine stopped", body: lastLine(detail), retry: true };
  }
}

/**
 * Of a Python traceback, what a visitor may report; the error itself has all of it.
 * @param {string} text
 */
function lastLine(text) {
  return text.trim().split("\n").pop() ?? "";
}
