/**
 * The panel's part for the objects of a scene: a list to select, hide and show them; how the selected
 * one is drawn; the scene as a file. What it does is what the element's methods do.
 */

import { HANDLES } from "./view-arranging.mjs";
import { download } from "./view-capture.mjs";
import { Dials } from "./view-dials.mjs";
import { ICONS } from "./view-icons.mjs";
import { hex, iconButton, levels, make, section, textButton } from "./view-parts.mjs";

/** @import {ArrangingElement} from "./view-arranging.mjs" */
/** @import {SceneInfo, SceneObject} from "./view-protocol.mjs" */

/** @typedef {{item: HTMLElement, pick: HTMLButtonElement, eye: HTMLButtonElement}} Row */

const OPACITY = { label: "Opacity", min: 0, max: 1 };
const NONE = { kind: () => null, pick: () => {}, camera: () => {}, microphone: () => {} };

export class ObjectsPart {
  #element;
  #try;
  #list = make("ul", "marks objects");
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** As the scene has them. @type {Map<string, SceneObject>} */
  #own = new Map();
  /** Name of the one that is selected. */
  #name = "";
  #opacity;
  #tint = make("input", "colour");
  #reset = textButton("Reset", () => this.#back());
  #keys = textButton("To the handles", () => this.#element[HANDLES]());
  #drawn;
  #said = make("p", "unseen");

  /**
   * @param {ArrangingElement} element
   * @param {(work: Promise<unknown>) => void} attempt  Tells what went wrong.
   */
  constructor(element, attempt) {
    this.#element = element;
    this.#try = attempt;
    this.#list.setAttribute("role", "list");
    this.#said.setAttribute("role", "status");
    this.#opacity = new Dials({ ...NONE, turn: (_, opacity) => this.#change({ opacity }) });
    this.#tint.type = "color";
    this.#tint.addEventListener("input", () => this.#change({ tint: levels(this.#tint.value) }));
    const untint = iconButton("reset", "The scene's own tint", () =>
      this.#change({ tint: this.#own.get(this.#name)?.tint }));
    const tint = make("div", "field", make("span", "", "Tint"), untint, this.#tint);
    this.#tint.setAttribute("aria-label", "Tint");
    this.#reset.title = "As the scene has it";
    this.#keys.title = "Arrow keys move a handle, Tab goes on to the next, Escape comes back";
    this.#drawn = make("div", "part own", this.#opacity.body, tint, make("div", "row", this.#keys, this.#reset));
    this.#drawn.setAttribute("role", "group");
    const save = textButton("Save scene", () => this.#try(this.#save()));
    save.title = "A scene.toml, of which vitrine build makes the scene as it stands";
    this.element = section("Objects", this.#list, this.#drawn, make("div", "row", save), this.#said);
    this.element.hidden = this.#drawn.hidden = true;
    element.addEventListener("ready", (event) => this.#begin(/** @type {CustomEvent<SceneInfo>} */ (event).detail));
    element.addEventListener("selected", () => this.#select(element.selected ?? ""));
    element.addEventListener("object", (event) => {
      if (this.#seen) this.#show(/** @type {CustomEvent} */ (event).detail.name);
    });
  }

  /** The panel was opened, or what it shows may have changed. */
  show() {
    if (!this.#seen || this.element.hidden) return;
    for (const object of this.#element.objects) this.#tell(object);
  }

  /** Whether it is worth while to keep it as the objects stand. */
  get #seen() {
    return !(this.element.parentElement?.hidden ?? true);
  }

  /** Another scene. @param {SceneInfo} info */
  #begin({ objects = [] }) {
    this.#own = new Map(objects.map((object) => [object.name, structuredClone(object)]));
    this.#rows = new Map(objects.map((object) => [object.name, this.#row(object)]));
    this.#list.replaceChildren(...Array.from(this.#rows.values(), ({ item }) => item));
    this.element.hidden = !objects.length;
    this.#name = "";
    this.#drawn.hidden = true;
  }

  /** @param {SceneObject} object @returns {Row} */
  #row({ name, visible }) {
    const pick = textButton(name, () => this.#element.select(this.#name === name ? null : name));
    pick.setAttribute("aria-pressed", "false");
    const eye = iconButton("view", "", () => {
      const hide = this.#now(name)?.visible ?? true;
      this.#try(this.#element.setObject(name, { visible: !hide }).then(() =>
        this.#say(`${name} is ${hide ? "hidden" : "shown"}`)));
    });
    const row = { item: make("li", "", pick, eye), pick, eye };
    see(row, name, visible);
    return row;
  }

  /** @param {string} name */
  #now(name) {
    return this.#element.objects.find((object) => object.name === name);
  }

  /** @param {string} name  Empty: none. */
  #select(name) {
    for (const [key, { pick }] of this.#rows) pick.setAttribute("aria-pressed", String(key === name));
    this.#name = name;
    this.#drawn.hidden = !name;
    this.#drawn.setAttribute("aria-label", name);
    if (!name) return this.#say("No object is selected");
    const feed = { name: "opacity", role: "control", control: { ...OPACITY, default: this.#own.get(name)?.opacity } };
    this.#opacity.describe(/** @type {any[]} */ ([feed]));
    this.#show(name);
    this.#rows.get(name)?.item.scrollIntoView({ block: "nearest" });
    this.#say(`${name} is selected; its handles come after the scene`);
  }

  /** An object as it stands now. @param {string} name */
  #show(name) {
    const object = this.#now(name);
    if (object) this.#tell(object);
  }

  /** @param {SceneObject} object */
  #tell({ name, visible, opacity, tint }) {
    const row = this.#rows.get(name);
    if (row) see(row, name, visible);
    if (name !== this.#name) return;
    this.#opacity.show("opacity", opacity);
    this.#tint.value = hex(tint);
  }

  /** @param {Partial<SceneObject>} changes */
  #change(changes) {
    this.#try(this.#element.setObject(this.#name, changes));
  }

  #back() {
    const name = this.#name;
    const own = this.#own.get(name);
    if (!own) return;
    const { position, rotation, scale, visible, opacity, tint } = own;
    this.#try(this.#element.setObject(name, { position, rotation, scale, visible, opacity, tint }).then(() =>
      this.#say(`${name} is as the scene has it`)));
  }

  async #save() {
    const text = await this.#element.saveScene();
    download(new Blob([text], { type: "application/toml" }), "toml", "scene");
    this.#say("scene.toml is saved");
  }

  /** @param {string} text  For a screen reader. */
  #say(text) {
    this.#said.textContent = text;
  }
}

/** What a row says of its object. @param {Row} row @param {string} name @param {boolean} visible */
function see({ item, eye }, name, visible) {
  const label = `${visible ? "Hide" : "Show"} ${name}`;
  if (eye.title === label) return;
  eye.title = label;
  eye.setAttribute("aria-label", label);
  eye.innerHTML = visible ? ICONS.view : ICONS.hidden;
  item.classList.toggle("hid", !visible);
}
