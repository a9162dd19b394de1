// Executes plans: makes every GPU object of a plan once, then replays schedules by their index.
// Python builds the plan (pyengine/plan.py); this file is the page's half of pyengine/hosts/page.py.
// A steady frame creates no buffer, texture, pipeline or bind group, and reads nothing back.

/**
 * @typedef {{buffer: string, offset_bytes: number}} Indirect
 * @typedef {{buffer: string, offset_bytes: number, size_bytes: number}} Range
 * @typedef {{name: string, size_bytes: number, usage: string[], source: string | null}} BufferPlan
 * @typedef {{name: string, format: string, usage: string[], size: number[] | null}} TexturePlan
 * @typedef {{name: string, shader: string, layout: string[], constants: Record<string, number>,
 *   entry: string}} ComputePlan
 * @typedef {{name: string, shader: string, layout: string[], constants: Record<string, number>,
 *   target: string | null, blend: string, depth: string, vertex: string, fragment: string,
 *   extra: string | null}} RenderPlan
 * @typedef {{pipeline: string, bindings: (string | Range)[], workgroups: number[] | Indirect}} DispatchPlan
 * @typedef {{pipeline: string, bindings: string[], count: number[] | Indirect}} DrawPlan
 * @typedef {{label: string, dispatches?: DispatchPlan[], target?: string | null, depth?: string | null,
 *   clear?: boolean, extra?: string | null, draws?: DrawPlan[]}} PassPlan
 * @typedef {{buffers: BufferPlan[], textures: TexturePlan[], shaders: Record<string, string>,
 *   compute: ComputePlan[], render: RenderPlan[], schedules: Record<string, PassPlan[]>,
 *   subgroups: string[], needs: string[]}} Plan
 * @typedef {{pipeline: any, group: GPUBindGroup, args: GPUBuffer | null, offset: number,
 *   counts: number[]}} Command
 * @typedef {{label: string, compute: boolean, commands: Command[], target: string | null,
 *   extra: string | null, depth: string | null, clear: boolean}} Pass
 * @typedef {{plan: Plan, buffers: Map<string, GPUBuffer>, compiled: Map<string, Compiled>,
 *   configured: boolean}} Before
 * @typedef {{pipeline: GPUComputePipeline | GPURenderPipeline, layout: GPUBindGroupLayout}} Compiled
 */

import { Failure } from "./loading.mjs";

const CANVAS = "canvas";

/** @type {Record<string, number>} */
const BUFFER_USAGE = {
  uniform: GPUBufferUsage.UNIFORM,
  storage: GPUBufferUsage.STORAGE,
  indirect: GPUBufferUsage.INDIRECT,
  upload: GPUBufferUsage.COPY_DST,
  readback: GPUBufferUsage.COPY_SRC,
};
/** @type {Record<string, number>} */
const TEXTURE_USAGE = {
  render: GPUTextureUsage.RENDER_ATTACHMENT,
  sample: GPUTextureUsage.TEXTURE_BINDING,
  readback: GPUTextureUsage.COPY_SRC,
};
/** @type {Record<string, GPUBufferBindingType>} */
const BINDING = { uniform: "uniform", read: "read-only-storage", read_write: "storage" };
/** @type {GPUBlendComponent} */
const UNDER = { srcFactor: "one-minus-dst-alpha", dstFactor: "one", operation: "add" };

/** @param {Record<string, number>} table @param {string[]} names */
const flags = (table, names) => names.reduce((all, name) => all | table[name], 0);

/** Text of a shader for Tint, which wants to be told of subgroups where naga refuses it.
 * @param {Plan} plan @param {string} name */
const shaderText = (plan, name) =>
  (plan.subgroups.includes(name) ? "enable subgroups;\n" : "") + plan.shaders[name];

/** The bytes of a buffer to read from, once the GPU has written them. @param {GPUBuffer} readable */
export async function mapped(readable) {
  await readable.mapAsync(GPUMapMode.READ).catch(() => {
    throw new Failure("view", "The GPU was lost meanwhile; ask again once the scene is back");
  });
  return readable.getMappedRange();
}

export class Executor {
  /**
   * @param {GPUDevice} device @param {Plan} plan
   * @param {GPUCanvasContext | null} context Configured with `format` when frames begin; null for
   *   a plan that draws nothing, or that draws into a texture in the canvas's place.
   * @param {GPUTextureFormat} format
   * @param {Map<string, GPUBuffer>} adopted Buffers of the plan that are there already.
   * @param {Before | null} from An executor of the same device and scene, whose buffers and pipelines
   *   are taken over where they are the same; it goes on until `leave`.
   */
  constructor(device, plan, context, format, adopted = new Map(), from = null) {
    this.device = device;
    this.plan = plan;
    this.context = context;
    this.format = format;
    this.timed = device.features.has("timestamp-query");
    /** @type {Map<string, GPUBuffer>} */
    this.buffers = new Map();
    /** @type {Map<string, GPUTexture>} */
    this.textures = new Map();
    /** @type {Map<string, GPUTextureView>} */
    this.views = new Map();
    /** @type {Map<string, GPUComputePipeline | GPURenderPipeline>} */
    this.pipelines = new Map();
    /** @type {Map<string, GPUBindGroupLayout>} */
    this.layouts = new Map();
    /** Pipelines by all that makes them what they are. @type {Map<string, Compiled>} */
    this.compiled = new Map();
    /** Those of the one before. @type {Map<string, Compiled>} */
    this.known = from ? from.compiled : new Map();
    /** Buffers of the one before, whose content stays. @type {Set<string>} */
    this.taken = new Set();
    /** @type {Pass[][]} */
    this.schedules = [];
    const before = new Map((from?.plan.buffers ?? []).map((buffer) => [JSON.stringify(buffer), buffer.name]));
    for (const buffer of plan.buffers) {
      const { name, size_bytes, usage } = buffer;
      const descriptor = { label: name, size: size_bytes, usage: flags(BUFFER_USAGE, usage) };
      const taken = before.has(JSON.stringify(buffer)) ? from?.buffers.get(name) : undefined;
      if (taken) this.taken.add(name);
      this.buffers.set(name, taken ?? adopted.get(name) ?? device.createBuffer(descriptor));
    }
    this.configured = from?.configured ?? false;
  }

  /**
   * Compile every shader and pipeline, all at once and off the thread.
   * @param {(done: number, total: number) => void} report
   * @param {Map<string, Compiled>} others Pipelines of the device that are there already.
   */
  async compile(report, others = new Map()) {
    const { device, plan } = this;
    /** @type {Map<string, GPUShaderModule>} */
    const modules = new Map();
    const module = (/** @type {string} */ name) => {
      const made = modules.get(name)
        ?? device.createShaderModule({ label: name, code: shaderText(plan, name) });
      modules.set(name, made);
      return made;
    };
    const total = plan.compute.length + plan.render.length;
    let done = 0;
    /** @param {ComputePlan | RenderPlan} pipeline
     * @param {() => Promise<GPUComputePipeline | GPURenderPipeline>} make */
    const keep = async (pipeline, make) => {
      const { name, shader, ...rest } = pipeline;
      const key = JSON.stringify([shaderText(plan, shader), rest]);
      const known = this.known.get(key) ?? others.get(key);
      if (known) this.layouts.set(name, known.layout);
      const made = known?.pipeline ?? await make();
      this.pipelines.set(name, made);
      const layout = /** @type {GPUBindGroupLayout} */ (this.layouts.get(name));
      this.compiled.set(key, { pipeline: made, layout });
      report(++done, total);
    };
    await Promise.all([
      ...plan.compute.map((pipeline) =>
        keep(pipeline, () => device.createComputePipelineAsync({
          label: pipeline.name,
          layout: this.#layout(pipeline, GPUShaderStage.COMPUTE),
          compute: {
            module: module(pipeline.shader),
            entryPoint: pipeline.entry,
            constants: pipeline.constants,
          },
        }))),
      ...plan.render.map((pipeline) =>
        keep(pipeline, () => device.createRenderPipelineAsync(
          this.#renderDescriptor(pipeline, module(pipeline.shader))))),
    ]);
    this.known = new Map();
  }

  /** @param {RenderPlan} pipeline @param {GPUShaderModule} module @returns {GPURenderPipelineDescriptor} */
  #renderDescriptor(pipeline, module) {
    const format = /** @type {GPUTextureFormat} */ (
      pipeline.target === CANVAS ? this.format : pipeline.target);
    const blend = pipeline.blend === "under" ? { color: UNDER, alpha: UNDER } : undefined;
    const { constants, extra } = pipeline;
    const second = /** @type {GPUTextureFormat | null} */ (extra);
    return {
      label: pipeline.name,
      layout: this.#layout(pipeline, GPUShaderStage.VERTEX | GPUShaderStage.FRAGMENT),
      vertex: { module, entryPoint: pipeline.vertex, constants },
      fragment: {
        module, entryPoint: pipeline.fragment, constants,
        targets: [...(format ? [{ format, blend }] : []), ...(second ? [{ format: second, blend }] : [])],
      },
      primitive: { topology: "triangle-list" },
      depthStencil: pipeline.depth === "none" ? undefined : {
        format: "depth32float",
        depthWriteEnabled: pipeline.depth === "write",
        depthCompare: "less",
      },
    };
  }

  /** @param {{name: string, layout: string[]}} pipeline @param {number} visibility */
  #layout({ name, layout }, visibility) {
    /** @type {GPUBindGroupLayoutEntry[]} */
    const entries = layout.map((access, binding) =>
      access === "texture"
        ? { binding, visibility, texture: { sampleType: "unfilterable-float" } }
        : { binding, visibility, buffer: { type: BINDING[access] } });
    const group = this.device.createBindGroupLayout({ label: name, entries });
    this.layouts.set(name, group);
    return this.device.createPipelineLayout({ label: name, bindGroupLayouts: [group] });
  }

  /** Make the textures, most of which have the canvas's size, anew, and the commands that name them.
   * @param {number} width @param {number} height */
  resize(width, height) {
    const { device, format } = this;
    if (!this.configured) this.context?.configure({ device, format, alphaMode: "opaque" });
    this.configured = true;
    for (const texture of this.textures.values()) texture.destroy();
    this.textures.clear();
    this.views.clear();
    if (!this.context && this.plan.render.some(({ target }) => target === CANVAS)) {
      const usage = GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC;
      const texture = device.createTexture({ label: CANVAS, size: [width, height], format, usage });
      this.textures.set(CANVAS, texture);
      this.views.set(CANVAS, texture.createView());
    }
    for (const { name, format, usage, size } of this.plan.textures) {
      const texture = this.device.createTexture({
        label: name,
        size: size ?? [width, height],
        format: /** @type {GPUTextureFormat} */ (format),
        usage: flags(TEXTURE_USAGE, usage),
      });
      this.textures.set(name, texture);
      this.views.set(name, texture.createView());
    }
    this.schedules = Object.values(this.plan.schedules).map((passes) =>
      passes.map((pass) => ({
        label: pass.label,
        compute: pass.dispatches !== undefined,
        target: pass.target ?? null,
        extra: pass.extra ?? null,
        depth: pass.depth ?? null,
        clear: pass.clear ?? true,
        commands: pass.dispatches
          ? pass.dispatches.map((item) => this.#command(item, item.workgroups))
          : (pass.draws ?? []).map((item) => this.#command(item, item.count)),
      })));
  }

  /** @param {{pipeline: string, bindings: (string | Range)[]}} item
   * @param {number[] | Indirect} counts @returns {Command} */
  #command({ pipeline, bindings }, counts) {
    const entries = bindings.map((bound, binding) => ({ binding, resource: this.#resource(bound) }));
    const layout = /** @type {GPUBindGroupLayout} */ (this.layouts.get(pipeline));
    const direct = Array.isArray(counts);
    return {
      pipeline: this.pipelines.get(pipeline),
      group: this.device.createBindGroup({ label: pipeline, layout, entries }),
      args: direct ? null : this.buffer(counts.buffer),
      offset: direct ? 0 : counts.offset_bytes,
      counts: direct ? counts : [],
    };
  }

  /** @param {string | Range} bound @returns {GPUBindingResource} */
  #resource(bound) {
    if (typeof bound === "string") return this.views.get(bound) ?? { buffer: this.buffer(bound) };
    return { buffer: this.buffer(bound.buffer), offset: bound.offset_bytes, size: bound.size_bytes };
  }

  /** @param {string} name */
  buffer(name) {
    const buffer = this.buffers.get(name);
    if (!buffer) throw new Error(`buffer ${name} is not in the plan`);
    return buffer;
  }

  /** @param {string} name @param {number} offset @param {Uint8Array<ArrayBuffer>} bytes */
  write(name, offset, bytes) {
    this.device.queue.writeBuffer(this.buffer(name), offset, bytes);
  }

  /**
   * Replay a schedule: one submission.
   * @param {number} index
   * @param {Pick<import("./timer.mjs").PassTimer, "stamps" | "resolve"> | null} timer Times each
   *   pass when given.
   */
  run(index, timer) {
    const encoder = this.device.createCommandEncoder();
    const passes = this.schedules[index];
    for (let i = 0; i < passes.length; i++) {
      const pass = passes[i];
      const stamps = timer ? timer.stamps(pass.label) : undefined;
      if (pass.compute) this.#compute(encoder, pass, stamps);
      else this.#render(encoder, pass, stamps);
    }
    if (timer) timer.resolve(encoder, /** @type {GPUBuffer} */ (this.buffers.get("sort_state")));
    this.device.queue.submit([encoder.finish()]);
  }

  /** @param {GPUCommandEncoder} encoder @param {Pass} pass
   * @param {GPUComputePassTimestampWrites | undefined} timestampWrites */
  #compute(encoder, pass, timestampWrites) {
    const work = encoder.beginComputePass({ label: pass.label, timestampWrites });
    for (const { pipeline, group, args, offset, counts } of pass.commands) {
      work.setPipeline(pipeline);
      work.setBindGroup(0, group);
      if (args) work.dispatchWorkgroupsIndirect(args, offset);
      else work.dispatchWorkgroups(counts[0], counts[1], counts[2]);
    }
    work.end();
  }

  /** @param {GPUCommandEncoder} encoder @param {Pass} pass
   * @param {GPURenderPassTimestampWrites | undefined} timestampWrites */
  #render(encoder, pass, timestampWrites) {
    const loadOp = pass.clear ? "clear" : "load";
    const work = encoder.beginRenderPass({
      label: pass.label,
      colorAttachments: [pass.target, pass.extra].flatMap((target) => target === null ? [] : [
        { view: this.#view(target), loadOp, storeOp: "store", clearValue: [0, 0, 0, 0] }]),
      depthStencilAttachment: pass.depth === null ? undefined : {
        view: this.#view(pass.depth), depthLoadOp: loadOp, depthStoreOp: "store", depthClearValue: 1,
      },
      timestampWrites,
    });
    for (const { pipeline, group, args, offset, counts } of pass.commands) {
      work.setPipeline(pipeline);
      work.setBindGroup(0, group);
      if (args) work.drawIndirect(args, offset);
      else work.draw(counts[0], counts[1]);
    }
    work.end();
  }

  /** @param {string} name @returns {GPUTextureView} */
  #view(name) {
    if (name === CANVAS && this.context) return this.context.getCurrentTexture().createView();
    return /** @type {GPUTextureView} */ (this.views.get(name));
  }

  /** Read a buffer's first bytes back. @param {string} name @param {number} size */
  async read(name, size) {
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const readable = this.device.createBuffer({ label: "read", size, usage });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.buffer(name), 0, readable, 0, size);
    this.device.queue.submit([encoder.finish()]);
    try {
      return (await mapped(readable)).slice(0);
    } finally {
      readable.destroy();
    }
  }

  /** Free all that the plan made; the device stays. */
  destroy() {
    this.free(new Set());
  }

  /** Free all but what another one took over. @param {Executor} heir */
  leave(heir) {
    this.free(new Set(heir.buffers.values()));
  }

  /** Free what it has not taken over, as it is not to be shown after all. */
  drop() {
    this.free(new Set([...this.taken].map((name) => this.buffer(name))));
  }

  /** Free all but these buffers. @param {Set<GPUBuffer>} kept */
  free(kept) {
    for (const buffer of this.buffers.values()) if (!kept.has(buffer)) buffer.destroy();
    for (const texture of this.textures.values()) texture.destroy();
    this.buffers.clear();
    this.textures.clear();
  }
}
