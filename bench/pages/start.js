// Before the page's own scripts: lets bench/start.py see when each stage of a start ends.
// `bench.marks()` -> {name: ms since the navigation}; the worker's own marks are asked of it.

(() => {
  // Runs in the worker before the engine's module: wraps what the engine calls of the platform.
  const watch = () => {
    const marks = {};
    const at = () => performance.timeOrigin + performance.now();
    const first = (name) => (marks[name] ??= at());
    const last = (name) => (marks[name] = at());
    self.__marks = marks;
    first("worker started");
    const around = (object, name, begin, end) => {
      const inner = object[name];
      object[name] = function (...args) {
        begin?.(args);
        const result = inner.apply(this, args);
        if (end) Promise.resolve(result).then(() => end(args), () => {});
        return result;
      };
    };
    around(self, "postMessage", ([{ type, stage, loaded, total }]) => {
      if (stage === "engine") last("Pyodide and engine ready");
      if (type === "ready") first("ready message");
    });
    around(self, "fetch", null, ([url]) => {
      if (String(url).endsWith("scene.json")) first("scene.json answered");
      if (String(url).endsWith("engine.zip")) first("engine.zip answered");
    });
    around(WebAssembly, "instantiate", null, () => last("wasm compiled"));
    around(WebAssembly, "instantiateStreaming", null, () => last("wasm compiled"));
    if (!self.GPUDevice) return;
    around(GPU.prototype, "requestAdapter", null, () => first("GPU adapter"));
    around(GPUAdapter.prototype, "requestDevice", null, () => first("GPU device"));
    around(GPUDevice.prototype, "createBuffer", () => first("plan made"));
    for (const name of ["createComputePipelineAsync", "createRenderPipelineAsync"]) {
      around(GPUDevice.prototype, name, null, () => last("shaders compiled"));
    }
    around(GPUQueue.prototype, "writeBuffer", ([buffer]) => {
      if (buffer.label !== "frame") last("buffers given to the GPU");
    });
    around(GPUQueue.prototype, "submit", () => first("first frame submitted"));
    around(GPUQueue.prototype, "onSubmittedWorkDone", null, () => first("first frame drawn"));
  };
  const prelude = `data:text/javascript,${encodeURIComponent(`(${watch})()`)}`;

  window.Worker = class extends Worker {
    constructor(url, options) {
      const lines = [prelude, String(url)].map((from) => `import ${JSON.stringify(from)};`);
      const blob = new Blob([lines.join("\n")], { type: "text/javascript" });
      super(URL.createObjectURL(blob), options);
      marks["worker asked for"] = performance.now();
    }
  };

  const marks = {};
  // The poster is shown in the frame after it was decoded, once the element is there.
  customElements.whenDefined("vitrine-view").then(async () => {
    marks["element defined"] = performance.now();
    await new Promise((resolve) => setTimeout(resolve));
    const poster = document.querySelector("vitrine-view")?.shadowRoot?.querySelector(".poster img");
    await poster?.decode();
    requestAnimationFrame(() => setTimeout(() => (marks["poster shown"] = performance.now())));
  }).catch(() => {});

  window.bench = {
    async finish() {
      await customElements.whenDefined("vitrine-view");
      const element = document.querySelector("vitrine-view");
      await element.ready;
      await element.settled();
      marks["first frame settled"] = performance.now();
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    },
    /** The service worker has all files, where the site has one. */
    async kept() {
      if (document.querySelector("script[data-offline]")) await navigator.serviceWorker.ready;
    },
    marks() {
      const paint = performance.getEntriesByName("first-contentful-paint")[0];
      if (paint) marks["first paint"] = paint.startTime;
      for (const entry of performance.getEntriesByType("resource")) {
        const name = entry.name.split("/").pop();
        const kind = /^python-/.test(name) ? "Python's memory" : /\.wasm$/.test(name) ? name : null;
        if (kind) marks[`${kind} downloaded`] ??= entry.responseEnd;
        if (/\/scene\/[^/]*-[0-9a-f]{12}\.bin$/.test(entry.name)) {
          marks["scene buffers downloaded"] =
            Math.max(marks["scene buffers downloaded"] ?? 0, entry.responseEnd);
        }
        if (name === "poster.webp") marks["poster downloaded"] ??= entry.responseEnd;
      }
      return { marks, origin: performance.timeOrigin };
    },
  };
})();
