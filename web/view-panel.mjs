/** The panel of the view: its camera, how it is drawn, and what can be taken along. */

import { CameraPart } from "./view-camera.mjs";
import { make, section, textButton } from "./view-parts.mjs";
import { PicturePart } from "./view-picture.mjs";

/** @import {SceneInfo, ViewState} from "./view-protocol.mjs" */

/**
 * @typedef {object} PanelHooks
 * @property {import("./view-camera.mjs").Do} act
 * @property {() => void} link  Copy it.
 */

export class Panel {
  element = make("section", "panel viewing");
  /** The last part: what is taken along. */
  take = section("Take along");
  #camera;
  #picture;

  /** @param {PanelHooks} hooks */
  constructor({ act, link }) {
    this.element.hidden = true;
    this.element.setAttribute("aria-label", "View");
    this.#camera = new CameraPart(act);
    this.#picture = new PicturePart(act);
    const copy = textButton("Copy link", link);
    copy.title = "An address that shows this view again (L)";
    copy.setAttribute("aria-keyshortcuts", "L");
    this.take.append(make("div", "row", copy));
    this.element.append(this.#camera.element, this.#picture.element, this.take);
  }

  /** Another scene. @param {SceneInfo} info */
  begin(info) {
    this.#picture.begin(info);
  }

  /** @param {ViewState} state */
  show(state) {
    this.#camera.show(state);
    this.#picture.show(state);
  }
}
