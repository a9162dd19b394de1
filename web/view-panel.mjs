/** The panel of the view: its objects, its camera, how it is drawn, and what can be taken along. */

import { CameraPart } from "./view-camera.mjs";
import { CapturePart } from "./view-capture.mjs";
import { ModePart } from "./view-mode.mjs";
import { ObjectsPart } from "./view-objects.mjs";
import { make } from "./view-parts.mjs";
import { PicturePart } from "./view-picture.mjs";

/** @import {SceneInfo, ViewState} from "./view-protocol.mjs" */

/**
 * @typedef {{act: import("./view-camera.mjs").Do, mode: (mode: string) => void,
 *   attempt: (work: Promise<unknown>) => void} & import("./view-capture.mjs").CaptureHooks} PanelHooks
 */

export class Panel {
  element = make("section", "panel viewing");
  #camera;
  #objects;
  #picture;

  /** @param {import("./view-arranging.mjs").ArrangingElement} element @param {PanelHooks} hooks */
  constructor(element, hooks) {
    this.element.hidden = true;
    this.element.setAttribute("aria-label", "View");
    this.#camera = new CameraPart(hooks.act);
    this.#picture = new PicturePart(hooks.act);
    this.mode = new ModePart(hooks.mode);
    this.#picture.element.append(this.mode.element);
    this.capture = new CapturePart(hooks);
    this.#objects = new ObjectsPart(element, hooks.attempt);
    this.element.append(this.#objects.element, this.#camera.element, this.#picture.element, this.capture.element);
  }

  /** The box that turns the statistics on. */
  get stats() {
    return this.#picture.stats.box;
  }

  /** Another scene. @param {SceneInfo} info */
  begin(info) {
    this.#picture.begin(info);
    this.capture.clip = Boolean(info.generator?.clip);
  }

  /** @param {ViewState} state */
  show(state) {
    this.#objects.show();
    this.#camera.show(state);
    this.#picture.show(state);
    this.capture.show(state);
  }
}
