/**
 * The messages between the element and its worker, as types. Nothing runs here.
 *
 * @typedef {[number, number]} Pair
 *
 * @typedef {object} ViewJson  A pinhole camera; docs/conventions.md, pyengine/view.py.
 * @property {number} width
 * @property {number} height
 * @property {number} fx
 * @property {number} fy
 * @property {number} cx
 * @property {number} cy
 * @property {number[]} view  World to camera, column-major.
 *
 * @typedef {object} SceneInfo
 * @property {number} count  Gaussians in the scene.
 * @property {number} shDegree
 * @property {string} adapter
 * @property {number} gpuBytes
 *
 * @typedef {object} Input  What the user did since the last message.
 * @property {Pair} [orbit]  CSS pixels over the element's CSS height: 1 is a drag over all of it.
 * @property {Pair} [pan]  As orbit.
 * @property {Pair} [look]  As orbit.
 * @property {number} [zoom]  Natural-log steps, positive is closer.
 * @property {[number, number, number]} [move]  Held fly axes, -1 to 1: x right, y down, z forward.
 *
 * @typedef {{project: number, sort: number, splat: number, composite: number}} GpuTimes  In ms.
 *
 * @typedef {object} FrameStats
 * @property {number} cpuMs
 * @property {GpuTimes | null} gpuMs  null where the adapter has no timestamp queries.
 * @property {number | null} drawn  Splats that survived culling.
 * @property {number} intervalMs  Since the frame before.
 *
 * @typedef {"engine" | "scene" | "shaders"} Stage
 * @typedef {{stage: Stage, loaded: number, total: number}} Progress  In bytes; total 0: unknown.
 *
 * @typedef {"no-webgpu" | "no-adapter" | "download" | "file" | "engine" | "limits"} WorkerErrorCode
 * @typedef {WorkerErrorCode | "view" | "disposed"} ErrorCode
 *
 * @typedef {{type: "init", canvas: OffscreenCanvas, src: string | null, base: string,
 *   width: number, height: number}} InitMessage
 *
 * @typedef {InitMessage
 *   | {type: "resize", width: number, height: number}
 *   | {type: "input"} & Input
 *   | {type: "reset"}
 *   | {type: "view", view: ViewJson, id: number}
 *   | {type: "settle", id: number}
 *   | {type: "overlay", on: boolean}
 *   | {type: "file", name: string, data: ArrayBuffer}
 *   | {type: "visible", on: boolean}
 *   | {type: "dispose"}} ToWorker
 *
 * @typedef {{type: "progress"} & Progress
 *   | {type: "ready", info: SceneInfo}
 *   | {type: "frame"} & FrameStats
 *   | {type: "settled", id: number}
 *   | {type: "view", id: number, error: string | null}
 *   | {type: "error", code: WorkerErrorCode, message: string}
 *   | {type: "lost", message: string}
 *   | {type: "restored"}} FromWorker
 */

export {};
