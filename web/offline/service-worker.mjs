// A site's service worker: a page that was opened once opens again without its server.
//
// The build writes `SITE` before this text (pybuild/offline.py), so that the browser sees another
// worker when anything of the site is new. Files whose names tell their content come from what is
// kept; all others are asked of the server each time, and are taken from what is kept where there is
// no answer. The page and what it needs are kept together: a version without all of its files is none.
//
// It runs as a script of its own at the root of the site, hence no imports.

/**
 * @typedef {object} Site
 * @property {string} version  Of the files that have no hash in their names.
 * @property {string[]} asked  Those files; "" is the page. All are kept.
 * @property {string[]} needed  Files with a hash that every start takes.
 * @property {string[]} others  Files with a hash that are kept once they were used.
 */

/** @type {Site | null} null: nothing is to be kept any more. */
const site = /** @type {any} */ (globalThis).SITE;
const worker = /** @type {any} */ (globalThis);
/** @type {string} */
const scope = worker.registration.scope;
/** index.html knows this name. */
const CACHE = `vitrine ${scope}`;

const asked = new Set(site?.asked);
const named = new Set([...(site?.needed ?? []), ...(site?.others ?? [])]);

/** The URL of a file of this version. @param {string} name */
const keyOf = (name) =>
  new URL(name, scope).href + (asked.has(name) ? `?vitrine=${site?.version}` : "");

/** Whether an answer may be kept: a whole file of this server, not a page to sign in. @param {Response} answer */
const isWhole = (answer) => answer.status === 200 && answer.type === "basic" && !answer.redirected;

/** @param {string} name @param {Response} answer */
async function keep(name, answer) {
  await (await caches.open(CACHE)).put(keyOf(name), answer);
}

/** @param {string} name @returns {Promise<Response | undefined>} */
async function kept(name) {
  return (await caches.open(CACHE)).match(keyOf(name), { ignoreVary: true });
}

/** Keep a file; what the browser has already is not downloaded again.
 * @param {string} name @param {RequestCache} cache */
async function take(name, cache) {
  if (await kept(name)) return;
  const answer = await fetch(new URL(name, scope), { cache, mode: "same-origin" });
  if (!isWhole(answer)) throw new Error(`${answer.url}: status ${answer.status}`);
  await keep(name, answer);
}

/** @param {Site} wanted */
async function install({ asked, needed, others }) {
  await Promise.all([
    ...asked.map((name) => take(name, "no-cache")),
    ...needed.map((name) => take(name, "force-cache")),
    ...others.map((name) => take(name, "only-if-cached").catch(() => {})),
  ]);
}

/** Remove what only versions before this one had. */
async function tidy() {
  const cache = await caches.open(CACHE);
  const wanted = new Set([...asked, ...named].map(keyOf));
  const old = (await cache.keys()).filter(({ url }) => !wanted.has(url));
  await Promise.all(old.map((request) => cache.delete(request, { ignoreVary: true })));
  await worker.registration.navigationPreload?.enable();
}

/** The build wants none of this: whatever an earlier one left goes. */
async function leave() {
  await caches.delete(CACHE);
  await worker.registration.navigationPreload?.disable();
  await worker.registration.unregister();
}

/** From what is kept, once it is there. @param {string} name @param {any} event */
async function lasting(name, event) {
  const found = await kept(name);
  if (found) return found;
  const answer = await fetch(event.request);
  // Where there is no room for it, or it breaks off, it is not kept, and that is all.
  if (isWhole(answer)) event.waitUntil(keep(name, answer.clone()).catch(() => {}));
  return answer;
}

/** The server's answer; the browser has asked for a page while it started this worker. @param {any} event */
const passed = async (event) => (await event.preloadResponse) ?? fetch(event.request);

/** From the server, while there is one. @param {string} name @param {any} event */
async function newest(name, event) {
  let answer;
  try {
    answer = await passed(event);
    if (answer.status < 500) return answer;
  } catch {
    // no network
  }
  return (await kept(name)) ?? answer ?? Response.error();
}

/** Which file of the site is asked for; null: none of them. @param {Request} request */
function nameOf({ url, method, mode, headers }) {
  if (method !== "GET" || headers.has("range") || !url.startsWith(scope)) return null;
  const place = new URL(url);
  place.hash = "";
  if (mode === "navigate") place.search = "";
  const name = place.href.slice(scope.length);
  return mode === "navigate" ? name.replace(/(^|\/)index\.html$/, "$1") : name;
}

worker.addEventListener("install", (/** @type {any} */ event) => {
  if (site) event.waitUntil(install(site));
  else worker.skipWaiting();
});

worker.addEventListener("activate", (/** @type {any} */ event) => {
  event.waitUntil(site ? tidy() : leave());
});

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const name = nameOf(event.request);
  if (name === null) return;
  if (named.has(name)) event.respondWith(lasting(name, event));
  else if (asked.has(name)) event.respondWith(newest(name, event));
  else if (event.request.mode === "navigate") event.respondWith(passed(event));
});
