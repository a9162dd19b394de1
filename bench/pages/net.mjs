// One network on one engine: `bench.open(setup)` loads it and runs it once, `bench.turn(seconds)`
// times runs, `bench.outputs()` sends all outputs to the server.
// A run ends when an element of an output has come back to JavaScript; inputs go up each time.

import { adapterName, commandsOf } from "./gpu.mjs";

const ORT = {
  "web-webgpu": ["ort.webgpu.bundle.min.mjs", "webgpu"],
  "web-jspi": ["ort.jspi.bundle.min.mjs", "webgpu"],
  "web-jsep": ["ort.bundle.min.mjs", "webgpu"],
  "web-wasm": ["ort.wasm.bundle.min.mjs", "wasm"],
};
const ARRAYS = {
  float32: Float32Array, int32: Int32Array, int64: BigInt64Array, uint8: Uint8Array, bool: Uint8Array,
  float16: globalThis.Float16Array,
};
const ELEMENT_BYTES = 4;

const bytesOf = async (url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.arrayBuffer();
};

/** Waits for the first element of a buffer. */
function reader(device) {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const readable = device.createBuffer({ label: "bench.read", size: ELEMENT_BYTES, usage });
  return async (buffer) => {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, readable, 0, ELEMENT_BYTES);
    device.queue.submit([encoder.finish()]);
    await readable.mapAsync(GPUMapMode.READ);
    readable.unmap();
  };
}

async function openVitrine({ inputs, tuneSeconds }) {
  const { programDevice, loadProgram } = await import("./web/program.mjs");
  const device = await programDevice(await navigator.gpu.requestAdapter());
  const url = new URL("net/program/", location.href);
  const loaded = await loadProgram(device, url, { tuneSeconds });
  const { executor, program } = loaded;
  const read = reader(device);
  const [{ buffer }] = program.outputs;
  return {
    adapter: adapterName(device),
    async run() {
      for (const { buffer: name, stored } of inputs) executor.write(name, 0, stored);
      executor.run(0, null);
      await read(executor.buffer(buffer));
    },
    async outputs() {
      const arrays = await loaded.run({});
      return program.outputs.map(({ name }) => arrays[name]);
    },
  };
}

async function openOrt({ engine, inputs, threads }) {
  const [file, provider] = ORT[engine];
  const ort = await import(`./ort/${file}`);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  const onGpu = provider === "webgpu";
  const session = await ort.InferenceSession.create(new URL("net/model.onnx", location.href).href, {
    executionProviders: [provider],
    ...(onGpu ? { preferredOutputLocation: "gpu-buffer" } : {}),
  });
  const feeds = Object.fromEntries(inputs.map(({ name, dtype, shape, data }) =>
    [name, new ort.Tensor(dtype, new ARRAYS[dtype](data), shape)]));
  const device = onGpu ? await ort.env.webgpu.device : null;
  const read = device && reader(device);
  let results = {};
  return {
    adapter: device ? adapterName(device) : `${threads} threads`,
    version: ort.env.versions.web,
    async run() {
      Object.values(results).forEach((tensor) => tensor.dispose());
      results = await session.run(feeds);
      if (read) await read(results[session.outputNames[0]].gpuBuffer);
    },
    async outputs() {
      const arrays = [];
      for (const name of session.outputNames) arrays.push(await results[name].getData());
      return arrays;
    },
  };
}

let opened;

globalThis.bench = {
  /** @param setup {engine, inputs: [{name, dtype, shape, buffer}], threads, tuneSeconds} */
  async open(setup) {
    if (!crossOriginIsolated) throw new Error("the page is not cross-origin isolated");
    const inputs = await Promise.all(setup.inputs.map(async (input, k) => ({
      ...input,
      data: await bytesOf(`in/${k}.bin`),
      stored: new Uint8Array(await bytesOf(`in/${k}.stored`)),
    })));
    const open = setup.engine === "vitrine" ? openVitrine : openOrt;
    const start = performance.now();
    opened = await open({ ...setup, inputs });
    const { dispatches } = await commandsOf(() => opened.run());
    const firstMs = performance.now() - start;
    return { firstMs, dispatches, adapter: opened.adapter, version: opened.version };
  },

  /** Runs for so long, one at least; milliseconds of each. */
  async turn(seconds) {
    const times = [];
    const end = performance.now() + 1000 * seconds;
    do {
      const start = performance.now();
      await opened.run();
      times.push(performance.now() - start);
    } while (performance.now() < end);
    return times;
  },

  /** Send all outputs of the last run to the server, as they lie in memory. */
  async outputs() {
    const arrays = await opened.outputs();
    for (const [k, array] of arrays.entries()) {
      const answer = await fetch(`out/${k}`, { method: "PUT", body: array.slice() });
      if (!answer.ok) throw new Error(`output ${k}: ${answer.status}`);
    }
    return arrays.length;
  },
};
