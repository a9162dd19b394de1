// Frames with a filter, ours and onnxruntime-web's, on one GPUDevice: `bench.open(setup)` and
// `bench.join(rival)`, then `bench.look({engine, view})` for pictures, `bench.frame(...)` for times.
// A frame is all from the camera on: Python, splats, network, canvas, to the end of the GPU's work.
// No canvas is on the screen, so that nothing is composed between two frames.

import { adapterName, commandsOf } from "./gpu.mjs";
import { Scene } from "./scene.mjs";

const ORT = "./ort/ort.webgpu.bundle.min.mjs";
const TILE = 8;

/** A device that neither engine misses anything of. @param {GPUAdapter} adapter */
async function openDevice(adapter) {
  const requiredLimits = {};
  for (const name in adapter.limits) requiredLimits[name] = adapter.limits[name];
  return adapter.requestDevice({ requiredFeatures: [...adapter.features], requiredLimits });
}

/** Our filter, as the site has it. */
async function openOurs(adapter, device, { filter, output }) {
  const canvas = new OffscreenCanvas(...output);
  const site = new URL("site/", location.href);
  const scene = await Scene.open(site, adapter, device, canvas.getContext("webgpu"), output, filter);
  return { canvas, scene, look: (view) => scene.look(view), draw: async () => scene.draw() };
}

/** The same splats without a filter, to a texture that can be read. */
async function openPlain(adapter, device, { render }) {
  const format = navigator.gpu.getPreferredCanvasFormat();
  const usage = GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.TEXTURE_BINDING;
  const texture = device.createTexture({ label: "rival.image", size: render, format, usage });
  const context = { configure() {}, getCurrentTexture: () => texture };
  const site = new URL("site/", location.href);
  const scene = await Scene.open(site, adapter, device, context, render, "");
  const look = (view) => {
    scene.look(view);
    scene.host.redraw(); // the rival has drawn this view with it
  };
  const splats = scene.executor.textures.get("image");
  return { texture, splats, look, draw: async () => scene.draw() };
}

const constantsOf = ([width, height], { scale, offset, channels }) => ({
  width, height, channels,
  scale_r: scale[0], scale_g: scale[1], scale_b: scale[2],
  offset_r: offset[0], offset_g: offset[1], offset_b: offset[2],
});

/** onnxruntime-web behind those splats: a pass that fills its input, a pass that shows its output.
 * @param {string} name Its options: web-webgpu, -nchw, -captured. */
async function openRival(name, device, plain, { render, output, input, made }) {
  const ort = await import(ORT);
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(new URL("net/model.onnx", location.href).href, {
    executionProviders: [{
      name: "webgpu",
      device, // one in ort.env.webgpu is not heeded
      ...(name.includes("-nchw") ? { preferredLayout: "NCHW" } : {}),
    }],
    preferredOutputLocation: "gpu-buffer",
    enableGraphCapture: name.includes("-captured"),
  });
  const tensor = ([width, height], { channels }) => {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ size: 4 * channels * width * height, usage });
    const dims = [1, channels, height, width];
    return { buffer, given: ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims }) };
  };
  const [from, to] = [tensor(render, input), tensor(output, made)];
  const canvas = new OffscreenCanvas(...output);
  const context = canvas.getContext("webgpu");
  const format = navigator.gpu.getPreferredCanvasFormat();
  context.configure({ device, format, alphaMode: "opaque" });
  const code = await (await fetch("rival.wgsl")).text();
  const module = device.createShaderModule({ label: "rival", code });
  const fill = await device.createComputePipelineAsync({
    layout: "auto", compute: { module, entryPoint: "fill", constants: constantsOf(render, input) },
  });
  const show = await device.createRenderPipelineAsync({
    layout: "auto", vertex: { module, entryPoint: "vertex_main" },
    fragment: { module, entryPoint: "show", constants: constantsOf(output, made), targets: [{ format }] },
  });
  const group = (pipeline, entries) =>
    device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const filled = group(fill, [
    { binding: 0, resource: plain.texture.createView() }, { binding: 1, resource: { buffer: from.buffer } },
    { binding: 3, resource: plain.splats.createView() },
  ]);
  const shown = group(show, [{ binding: 2, resource: { buffer: to.buffer } }]);
  const submit = (encode) => {
    const encoder = device.createCommandEncoder();
    encode(encoder);
    device.queue.submit([encoder.finish()]);
  };
  const [feeds, fetches] = [{ [input.name]: from.given }, { [made.name]: to.given }];
  return {
    canvas,
    version: ort.env.versions.web,
    look: plain.look,
    async draw() {
      await plain.draw();
      submit((encoder) => {
        const pass = encoder.beginComputePass();
        pass.setPipeline(fill);
        pass.setBindGroup(0, filled);
        pass.dispatchWorkgroups(Math.ceil(render[0] / TILE), Math.ceil(render[1] / TILE));
        pass.end();
      });
      await session.run(feeds, fetches);
      submit((encoder) => {
        const view = context.getCurrentTexture().createView();
        const pass = encoder.beginRenderPass({
          colorAttachments: [{ view, loadOp: "clear", storeOp: "store" }],
        });
        pass.setPipeline(show);
        pass.setBindGroup(0, shown);
        pass.draw(3);
        pass.end();
      });
    },
  };
}

/** What is on a canvas that was drawn in this task, as a PNG's address. */
async function pictureOf(canvas) {
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  copy.getContext("2d").drawImage(canvas, 0, 0);
  const reader = new FileReader();
  return new Promise((resolve, reject) => {
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    copy.convertToBlob({ type: "image/png" }).then((blob) => reader.readAsDataURL(blob), reject);
  });
}

let device;
let setup;
const engines = {};

globalThis.bench = {
  /** Open what is ours. @param given {filter, render, output, input, made}: of the filter its name,
   *   the sizes of what it reads and makes, {name, scale, offset} of the model's input and output */
  async open(given) {
    setup = given;
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    device = await openDevice(adapter);
    engines["vitrine"] = await openOurs(adapter, device, setup);
    engines["no filter"] = await openPlain(adapter, device, setup);
    return adapterName(device);
  },

  /** Open a rival; gives its version. */
  async join(name) {
    engines[name] = await openRival(name, device, engines["no filter"], setup);
    return engines[name].version;
  },

  /** The picture of a frame, null where there is no canvas; compiles what was not. */
  async look({ engine, view }) {
    const one = engines[engine];
    one.look(view);
    await one.draw();
    const picture = one.canvas ? pictureOf(one.canvas) : null;
    await device.queue.onSubmittedWorkDone();
    return picture;
  },

  /** Milliseconds of a frame, and its commands. */
  async frame({ engine, view }) {
    const one = engines[engine];
    one.look(view);
    let ms = 0;
    const commands = await commandsOf(async () => {
      const start = performance.now();
      await one.draw();
      await device.queue.onSubmittedWorkDone();
      ms = performance.now() - start;
    });
    return { ms, ...commands };
  },

  /** Whether our filter ran in each of its frames. */
  async ran() {
    const { scene } = engines["vitrine"];
    return { drawn: scene.drawn, ...await scene.counts() };
  },
};
