// The worker that the elements of a page share: one Python, one GPU device, and a display for each
// element. Messages are drawn in docs/architecture.md; the elements' side is view-worker.mjs.

import { Display } from "./display.mjs";
import { Gpu } from "./gpu.mjs";
import { startPython } from "./loading.mjs";

/** By the numbers of their elements. @type {Map<number, Display>} */
const displays = new Map();
/** @type {Promise<any> | null} */
let python = null;

const gpu = new Gpu((device, info) => {
  for (const display of displays.values()) display.lost(device, info);
});

/** @param {string} base URL of the modules. */
function startedPython(base) {
  if (!python) {
    const started = python = startPython(base);
    started.then(({ _api }) => {
      _api.on_fatal = (/** @type {unknown} */ error) => reportError(error); // the page starts another worker
    }, () => {});
    started.catch(() => {
      if (python === started) python = null; // told by whoever waits for it; the next one tries again
    });
  }
  return python;
}

/** @param {import("./view-protocol.mjs").InitMessage & {element: number}} message */
function begin(message) {
  const { element, base } = message;
  const compiled = (/** @type {GPUDevice} */ device) =>
    new Map([...displays.values()].flatMap((display) => display.compiled(device)));
  const page = { gpu, python: () => startedPython(base), compiled };
  gpu.get().catch(() => {}); // told by whoever waits for it
  displays.set(element, new Display(page, message, (told) => self.postMessage({ element, ...told })));
}

/** Messages to an element's display; those without an element are for all of them.
 * @param {MessageEvent} event */
self.onmessage = ({ data }) => {
  const { type, element } = data;
  if (type === "init") return begin(data);
  if (type === "close") return self.close();
  if (type === "lose") return gpu.drop();
  const numbers = element === undefined ? [...displays.keys()] : [element];
  for (const number of numbers) {
    const display = displays.get(number);
    if (type !== "dispose") {
      try {
        display?.handlers[type]?.(data);
      } catch (error) {
        display?.fail(error); // its own: the others go on
      }
      continue;
    }
    display?.dispose();
    displays.delete(number);
  }
};
