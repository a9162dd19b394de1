/**
 * The messages between an element and the page's worker, as types; view-worker.mjs adds the number of
 * the element to each. Nothing runs here.
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
 * @property {GeneratorInfo | null} [generator]  Of a scene that a network makes.
 * @property {FilterInfo[]} [filters]  What the picture may go through.
 * @property {SceneObject[]} [objects]  Of a scene of several.
 *
 * @typedef {object} Placement  Where an object stands, and how it is drawn; pyengine/object_spec.py.
 * @property {[number, number, number]} position  World units.
 * @property {[number, number, number, number]} rotation  A quaternion x, y, z, w.
 * @property {[number, number, number]} scale  Along the object's own axes.
 * @property {boolean} visible
 * @property {number} opacity  0 to 1.
 * @property {[number, number, number]} tint  Multiplies the colours.
 *
 * @typedef {Placement & {name: string, file: string, count: number, generator: boolean,
 *   bounds: [number[], number[]]}} SceneObject  Bounds are those of its own space.
 *
 * @typedef {{view: number[], lens: number[]}} Seen  World to camera, column-major; fx, fy, cx, cy, width and
 *   height in pixels.
 *
 * @typedef {object} Feed  An input of a generator; pyengine/generator_spec.py.
 * @property {string} name
 * @property {string} role  As docs/contract.md lists them.
 * @property {number[]} shape
 * @property {boolean} batched  The first axis is instances.
 * @property {{label: string, min: number, max: number, default: number} | null} control
 * @property {object | null} track
 * @property {number} offset_bytes  In the memory of all inputs.
 * @property {number} size_bytes
 *
 * @typedef {object} GeneratorInfo
 * @property {Feed[]} feeds
 * @property {{duration: number, loop: boolean} | null} clip  Duration in seconds.
 * @property {number | null} rate  Steps a second of a generator with state.
 *
 * @typedef {object} FilterInfo  pyengine/filter_spec.py.
 * @property {string} name
 * @property {number} strength  0 to 1.
 * @property {string[]} stages  Labels.
 * @property {Feed[]} inputs  Its sliders.
 * @property {boolean} first  It is on when the scene opens.
 * @property {boolean} [on]  It is on now.
 *
 * @typedef {object} FilterState  What is on.
 * @property {string} name  Empty: none.
 * @property {string | null} message  For the visitor.
 * @property {[number, number]} [render]  Pixels that the splats are drawn at.
 * @property {[number, number]} [output]  Pixels that it makes.
 * @property {number} [levels]  Sizes that suit the canvas.
 * @property {number} [gpuBytes]
 *
 * @typedef {object} Clock  Where the timeline is.
 * @property {number} time  Seconds.
 * @property {number} phase  0 to 1 of the clip.
 * @property {boolean} playing
 * @property {number} speed
 * @property {number} steps  Of the state, done so far.
 *
 * @typedef {object} Input  What the user did since the last message.
 * @property {Pair} [orbit]  CSS pixels over the element's CSS height: 1 is a drag over all of it.
 * @property {Pair} [pan]  As orbit.
 * @property {Pair} [look]  As orbit.
 * @property {number} [zoom]  Natural-log steps, positive is closer.
 * @property {[number, number, number]} [move]  Held fly axes, -1 to 1: x right, y down, z forward.
 *
 * @typedef {object} CameraJson  Upright, in world units.
 * @property {[number, number, number]} eye
 * @property {[number, number, number]} target
 * @property {number} fov  Degrees, over the shorter side.
 *
 * @typedef {object} Look  How the scene is drawn.
 * @property {[number, number, number]} background  0 to 1.
 * @property {number} shDegree
 * @property {number} splatScale
 * @property {"classic" | "mip"} antialiasing
 *
 * @typedef {object} ViewState  pyengine/hosts/page_view.py.
 * @property {CameraJson} camera
 * @property {"orbit" | "fly" | "turntable"} mode
 * @property {Moving} moving
 * @property {number} turn  Of the turntable, degrees a second.
 * @property {string[]} bookmarks  Names.
 * @property {{seconds: number, loop: boolean}} path
 * @property {Look} look
 *
 * @typedef {object} PictureAsked
 * @property {number} width
 * @property {number} height
 * @property {boolean} [transparent]  Without the background.
 * @property {string} [kind]  MIME type.
 * @property {number} [quality]  0 to 1, of types that have one.
 *
 * @typedef {object} FilmAsked
 * @property {"turntable" | "path" | "clip"} what
 * @property {number} width
 * @property {number} height
 * @property {number} [fps]
 * @property {number} [seconds]  Of all of it.
 * @property {string} [kind]  MIME type: of WebM, or of MP4.
 * @property {string} [codec]  As WebCodecs names it: VP9, VP8, AV1 or H.264.
 * @property {number} [bitrate]  Bits a second.
 *
 * @typedef {"" | "turntable" | "flight" | "path"} Moving  What moves the camera by itself.
 *
 * @typedef {Record<string, number>} GpuTimes  In ms: generator, project, sort, splat, composite; of
 *   a filter filter:0, filter:1, ... and present.
 *
 * @typedef {object} FrameStats
 * @property {number} cpuMs
 * @property {GpuTimes | null} gpuMs  null where the adapter has no timestamp queries.
 * @property {number | null} drawn  Splats that survived culling.
 * @property {number} intervalMs  Since the frame before.
 * @property {number} [every]  A filter's picture is renewed once in so many frames.
 *
 * @typedef {"engine" | "scene" | "shaders"} Stage
 * @typedef {{stage: Stage, loaded: number, total: number}} Progress  In bytes; total 0: unknown.
 *
 * @typedef {"no-webgpu" | "no-adapter" | "download" | "file" | "engine" | "limits"} WorkerErrorCode
 * @typedef {WorkerErrorCode | "view" | "link" | "filter" | "input" | "object" | "media" | "disposed"} ErrorCode
 *
 * @typedef {{type: "init", canvas: OffscreenCanvas, src: string | null, base: string,
 *   width: number, height: number, budget?: number}} InitMessage  Budget in MB.
 *
 * @typedef {InitMessage
 *   | {type: "resize", width: number, height: number}
 *   | {type: "input"} & Input
 *   | {type: "reset"}
 *   | {type: "view", view: ViewJson, id: number}
 *   | {type: "settle", id: number}
 *   | {type: "overlay", on: boolean}
 *   | {type: "pace", on: boolean}
 *   | {type: "file", name: string, data: ArrayBuffer}
 *   | {type: "visible", on: boolean}
 *   | {type: "play", on: boolean}
 *   | {type: "seek", time: number}
 *   | {type: "speed", speed: number}
 *   | {type: "loop", on: boolean}
 *   | {type: "restart"}
 *   | {type: "set", name: string, values: number[] | null, id: number}
 *   | {type: "image", name: string, bitmap: ImageBitmap}
 *   | {type: "bands", name: string, bands: Float32Array}
 *   | {type: "pointer", x: number, y: number, pressed: boolean}
 *   | {type: "filter", name: string, strength?: number, split?: number, id: number}
 *   | {type: "look", strength?: number, split?: number}
 *   | {type: "ask", text: string, id: number}
 *   | {type: "picture", id: number} & PictureAsked
 *   | {type: "film", id: number} & FilmAsked
 *   | {type: "cancel", id: number}
 *   | {type: "mode", mode: string, id: number}
 *   | {type: "pick", x: number, y: number, id: number}
 *   | {type: "probe", points: number[][], id: number}
 *   | {type: "follow", on: boolean}
 *   | {type: "object", name: string, changes: object, id: number}} ToWorker
 *
 * @typedef {{type: "progress"} & Progress
 *   | {type: "ready", info: SceneInfo}
 *   | {type: "frame"} & FrameStats
 *   | {type: "pace", cpuMs: number, intervalMs: number}
 *   | {type: "settled", id: number}
 *   | {type: "view", id: number, error: string | null}
 *   | {type: "set", id: number, error: string | null}
 *   | {type: "told", id: number, error: string | null, value: any, state: ViewState}
 *   | {type: "filming", id: number, done: number, total: number}
 *   | {type: "moving", what: Moving}
 *   | {type: "filtered", id: number, error: string | null}
 *   | {type: "placed", id: number, error: string | null}
 *   | {type: "seen"} & Seen
 *   | {type: "filter"} & FilterState
 *   | {type: "clock"} & Clock
 *   | {type: "error", code: WorkerErrorCode, message: string}
 *   | {type: "lost", message: string}
 *   | {type: "preview"}
 *   | {type: "restored"}} FromWorker
 */

export {};
