/**
 * Where a page that brings the element's files itself keeps them (held/files.mjs); on a site nothing.
 * It is set before the element's modules are loaded.
 */

/** @typedef {import("./held/files.mjs").HeldFiles} HeldFiles */

/** @type {HeldFiles | undefined} */
const held = /** @type {any} */ (globalThis)[Symbol.for("vitrine.held")];

/** What holds the file; null: its server. @param {URL} url @returns {HeldFiles | null} */
export const heldBy = (url) => (held?.has(url.href) ? held : null);

/** Where an audio worklet can be had. @param {URL} url @returns {Promise<string>} */
export const workletUrl = async (url) => heldBy(url)?.worklet(url.href) ?? url.href;
