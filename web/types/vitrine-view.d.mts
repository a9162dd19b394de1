/**
 * <vitrine-view>, as TypeScript sees it; docs/embedding.md says what each member does.
 * tests/page/test_types.py holds this file, the element and that page together.
 */

export type Vector = [number, number, number];

export interface Camera {
  eye: Vector;
  target: Vector;
  /** Degrees, over the shorter side. */
  fov: number;
}

/** A pinhole camera: pixels, and world to camera, 16 numbers, column-major. */
export interface View {
  width: number;
  height: number;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  view: number[];
}

export interface Look {
  /** 0 to 1. */
  background: Vector;
  shDegree: number;
  splatScale: number;
  antialiasing: "classic" | "mip";
}

/** What is not given stays; null gives back what the scene says. A background may be "#rrggbb". */
export type LookChanges =
  | Partial<{ [K in keyof Look]: Look[K] | null }>
  | { background?: string };

export type Mode = "orbit" | "fly" | "turntable";
export type Moving = "" | "turntable" | "flight" | "path";

export interface State {
  camera: Camera;
  mode: Mode;
  moving: Moving;
  turn: number;
  bookmarks: string[];
  path: { seconds: number; loop: boolean };
  look: Look;
}

export interface Placement {
  position: Vector;
  /** A quaternion x, y, z, w. */
  rotation: [number, number, number, number];
  scale: Vector;
  visible: boolean;
  opacity: number;
  tint: Vector;
}

export interface SceneObject extends Placement {
  name: string;
  file: string;
  count: number;
  generator: boolean;
  bounds: [number[], number[]];
}

export interface Feed {
  name: string;
  role: string;
  shape: number[];
  batched: boolean;
  control: { label: string; min: number; max: number; default: number } | null;
  track: object | null;
  offset_bytes: number;
  size_bytes: number;
}

export interface FilterInfo {
  name: string;
  strength: number;
  stages: string[];
  inputs: Feed[];
  first: boolean;
  on?: boolean;
}

export interface SceneInfo {
  count: number;
  shDegree: number;
  adapter: string;
  gpuBytes: number;
  generator?: {
    feeds: Feed[];
    clip: { duration: number; loop: boolean } | null;
    rate: number | null;
  } | null;
  filters?: FilterInfo[];
  objects?: SceneObject[];
}

export interface Picture {
  width?: number;
  height?: number;
  /** image/png, image/webp or image/jpeg. */
  type?: string;
  quality?: number;
  transparent?: boolean;
}

export interface Film {
  what?: "turntable" | "path" | "clip";
  width?: number;
  height?: number;
  fps?: number;
  seconds?: number;
  /** video/webm or video/mp4. */
  type?: string;
  codec?: string;
  bitrate?: number;
  signal?: AbortSignal;
  progress?: (done: number, total: number) => void;
}

export interface Picked {
  position: Vector;
  distance: number;
  object?: string;
}

export interface Annotation {
  id: string;
  position: Vector;
  text: string;
}

export type ErrorCode =
  | "no-webgpu" | "no-adapter" | "download" | "file" | "engine" | "limits" | "view" | "link"
  | "filter" | "input" | "object" | "media" | "disposed";

/** What promises of the element reject with. */
export interface ViewError extends Error {
  code: ErrorCode;
}

/** The `detail` of each event. */
export interface ViewEvents {
  progress: { stage: "engine" | "scene" | "shaders"; loaded: number; total: number };
  ready: SceneInfo;
  load: SceneInfo;
  frame: { cpuMs: number; intervalMs: number };
  play: { time: number; phase: number };
  pause: { time: number; phase: number };
  timeupdate: { time: number; phase: number };
  filter: { name: string };
  camera: { moving: Moving };
  mode: { mode: string };
  object: { name: string };
  selected: { name: string | null };
  pick: Picked | null;
  measure: { from: Vector; to: Vector; length: number } | null;
  annotations: { annotations: Annotation[] };
  "annotations-seen": { hidden: (boolean | null)[] };
  error: { code: ErrorCode; message: string };
}

/** What every element has, which knows these events too. */
export interface VitrineView {
  addEventListener<Name extends keyof ViewEvents>(
    type: Name, listener: (event: CustomEvent<ViewEvents[Name]>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener<Name extends Exclude<keyof HTMLElementEventMap, keyof ViewEvents>>(
    type: Name, listener: (this: HTMLElement, event: HTMLElementEventMap[Name]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

export class VitrineView extends HTMLElement {
  src: string;
  poster: string;
  controls: string;
  autoplay: boolean;
  budget: number;
  get filter(): string;
  set filter(name: string);
  camera: string;
  hash: boolean;
  mode: string;
  speed: number;
  loop: boolean;
  time: number;
  arranging: boolean;
  tool: "" | "measure" | "note";
  get annotations(): Annotation[];
  set annotations(notes: Annotation[]);
  readonly ready: Promise<SceneInfo>;
  readonly duration: number;
  readonly paused: boolean;
  readonly objects: SceneObject[];
  readonly selected: string | null;
  readonly measurement: { from: Vector; to: Vector; length: number } | null;

  load(source: string | URL | File): Promise<SceneInfo>;
  loadFile(file: File): Promise<SceneInfo>;
  dispose(): void;
  on<Name extends keyof ViewEvents>(
    name: Name, hear: (detail: ViewEvents[Name]) => void,
  ): () => void;

  settled(): Promise<void>;
  reset(): void;
  setView(view: View): Promise<void>;
  setCamera(camera: Partial<Camera>, flight?: { seconds?: number }): Promise<void>;
  setMode(mode: Mode, turn?: { speed?: number }): Promise<void>;
  setLook(look: LookChanges): Promise<void>;
  getState(): Promise<State>;
  link(): Promise<string>;
  addBookmark(name?: string): Promise<string>;
  renameBookmark(index: number, name: string): Promise<void>;
  deleteBookmark(index: number): Promise<void>;
  goTo(index: number, flight?: { seconds?: number }): Promise<void>;
  playPath(path?: { seconds?: number; loop?: boolean }): Promise<void>;
  stop(): Promise<void>;
  screenshot(picture?: Picture): Promise<Blob>;
  record(film?: Film): Promise<Blob>;

  play(): void;
  pause(): void;
  seek(seconds: number): void;
  restart(): void;
  setInput(name: string, values: number | ArrayLike<number> | null): Promise<void>;
  setImage(name: string, source: ImageBitmapSource | string | URL): Promise<void>;
  useCamera(name?: string): Promise<void>;
  useMicrophone(name?: string): Promise<void>;
  useAudio(name: string | undefined, element: HTMLMediaElement): Promise<void>;
  release(name: string): void;
  setFilter(name: string | null, look?: { strength?: number; split?: number }): Promise<void>;

  setObject(
    name: string, changes: Partial<Omit<Placement, "scale">> & { scale?: number | Vector },
  ): Promise<void>;
  select(name: string | null): void;
  saveScene(): Promise<string>;

  pick(x: number, y: number): Promise<Picked | null>;
  focusAt(x?: number, y?: number): Promise<void>;
  measure(...ends: Vector[]): { from: Vector; to: Vector; length: number } | null;
  annotate(note: { position: Vector; text: string; id?: string }): string;
  removeAnnotation(id: string): boolean;
}

declare global {
  interface HTMLElementTagNameMap {
    "vitrine-view": VitrineView;
  }
}
