// Before the page's own scripts: keeps the element's worker, and gives `bench` over its messages.
// bench.load() -> info; bench.frame(view) -> {frameMs, settledMs, cpuMs, gpuMs, drawn}, also after
// another message: bench.after({type: "seek", time: 0.5}).

(() => {
  let worker;
  let id = -1; // the element's own ids are positive
  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      worker = this;
    }
  };

  /** The next message that `wanted` accepts, and when it came. */
  const message = (wanted) => new Promise((resolve, reject) => {
    const take = ({ data }) => {
      if (data.type === "error" || data.error) reject(new Error(data.message ?? data.error));
      else if (!wanted(data)) return;
      worker.removeEventListener("message", take);
      resolve({ at: performance.now(), data });
    };
    worker.addEventListener("message", take);
  });

  window.bench = {
    async load() {
      await customElements.whenDefined("vitrine-view");
      const element = document.querySelector("vitrine-view");
      const info = await element.ready;
      await element.settled();
      worker.postMessage({ type: "overlay", on: true });
      await element.settled();
      return { count: info.count, adapter: info.adapter };
    },
    frame(view) {
      return this.after({ type: "view", view });
    },
    async after(told) {
      id -= 1;
      const isEnd = (data) => data.type === "settled" && data.id === id;
      const drawn = message((data) => data.type === "frame" || isEnd(data)); // still: no frame
      const settled = message(isEnd);
      const start = performance.now();
      worker.postMessage({ ...told, id });
      worker.postMessage({ type: "settle", id });
      const frame = await drawn;
      const { cpuMs, gpuMs, drawn: splats } = frame.data;
      const end = await settled;
      return { frameMs: frame.at - start, settledMs: end.at - start, cpuMs, gpuMs, drawn: splats };
    },
  };
})();
