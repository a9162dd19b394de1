// A built site's scene, drawn when it is told to: the site's modules and its Python as the worker of
// web/worker.mjs runs them, without the wait for the next animation frame.

const IDLE = -1;
const SECONDS = 1 / 60;
const COUNTS_BYTES = 8;

const load = async (base) => ({
  ...await import(new URL("executor.mjs", base).href),
  ...await import(new URL("filters.mjs", base).href),
  ...await import(new URL("generator.mjs", base).href),
  ...await import(new URL("loading.mjs", base).href),
  ...await import(new URL("memory.mjs", base).href),
});

/** The folder of a site's modules, to which the one of a fixed name leads. @param {URL} site */
async function modulesOf(site) {
  const entry = new URL("vitrine/vitrine-view.mjs", site);
  const [, folder] = /** @type {string[]} */ (/"(.*\/)/.exec(await (await fetch(entry)).text()));
  return new URL(folder, entry);
}

export class Scene {
  drawn = 0;

  /** @param {URL} site @param {GPUAdapter} adapter @param {GPUDevice} device
   * @param {Pick<GPUCanvasContext, "configure" | "getCurrentTexture">} context
   * @param {[number, number]} size Of what the context gives. @param {string} filter Or "". */
  static async open(site, adapter, device, context, size, filter) {
    const scene = new Scene();
    const base = await modulesOf(site);
    const web = scene.web = await load(base);
    scene.size = size;
    const url = new URL("scene/scene.json", site);
    const text = await web.fetchText(url);
    const bundle = await web.fetchBundle(text, url, () => {});
    const python = await web.startPython(base);
    scene.host = python.pyimport("pyengine.hosts.page").Display();
    scene.filterHost = python.pyimport("pyengine.hosts.page_filter").FilterHost(scene.host);
    const adapterText = JSON.stringify(web.openDevice.describe(adapter));
    const answer = JSON.parse(scene.host.open_scene(text, adapterText, bundle.program, bundle.shaders));
    if (answer.error) throw new Error(answer.error);
    const format = navigator.gpu.getPreferredCanvasFormat();
    const executor = new web.Executor(device, answer.plan, context, format);
    await executor.compile(() => {});
    for (const { name, source } of executor.plan.buffers) {
      if (source && source in bundle.files) executor.write(name, 0, await bundle.files[source]);
    }
    scene.#take(executor, answer);
    if (filter) await scene.#put(filter, adapterText, url, answer.info.filters);
    return scene;
  }

  async #put(name, text, url, listed) {
    const filters = new this.web.Filters({
      host: () => this.filterHost,
      gpu: async () => ({ text }),
      executor: () => this.executor,
      size: () => ({ width: this.size[0], height: this.size[1] }),
      swap: (made, answer) => {
        this.executor.leave(made);
        this.#take(made, answer);
      },
      tell: (message) => { this.told = message; },
    });
    await filters.choose(name); // before it begins: what it then begins with
    filters.begin(url.href, listed);
    await filters.choose(name);
  }

  #take(executor, answer) {
    const { Memory } = this.web;
    this.executor = executor;
    this.uploads = answer.uploads;
    this.memories = {
      frame: new Memory(() => this.host.uniforms()),
      status: new Memory(() => this.host.status()),
      filter: new Memory(() => this.filterHost.filter_bytes()),
      "filter.inputs": new Memory(() => this.filterHost.filter_inputs()),
    };
    executor.resize(...this.size);
    this.host.redraw();
    this.drawn = 0;
  }

  /** Look from elsewhere in the next frame. @param {object} view As View.to_json has it. */
  look(view) {
    const wrong = this.host.set_view(JSON.stringify(view));
    if (wrong) throw new Error(wrong);
  }

  /** Submit a frame; it ends with `device.queue.onSubmittedWorkDone`. */
  draw() {
    const index = this.host.frame(SECONDS, ...this.size, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    if (index < 0) throw new Error("nothing was drawn: the camera stood still, or a filter was held");
    const { buffer, byteOffset } = this.memories.status.bytes;
    const before = new DataView(buffer, byteOffset).getInt32(0, true);
    for (const name of this.uploads[index]) this.executor.write(name, 0, this.memories[name].bytes);
    if (before !== IDLE) this.executor.run(before, null);
    this.executor.run(index, null);
    this.drawn += 1;
  }

  /** How often the filter ran and rested. @returns {Promise<{ran: number, rested: number}>} */
  async counts() {
    const [ran, rested] = new Uint32Array(await this.executor.read("filter.counts", COUNTS_BYTES));
    return { ran, rested };
  }
}
