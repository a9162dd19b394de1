/** The help panel: every gesture and key, in groups. */

import { ICONS } from "./view-icons.mjs";

const OBJECTS = "Objects";

/** Alternatives are rows of keys; a word in plain text stays a word. @type {[string, [string, string][]][]} */
const GROUPS = [
  [
    "Mouse",
    [
      ["Drag", "orbit"],
      ["Right drag, [Shift] drag", "pan"],
      ["Wheel, pinch", "zoom"],
      ["[Alt] drag", "look around"],
      ["Double click", "look at a place"],
    ],
  ],
  [
    "Touch",
    [
      ["One finger", "orbit"],
      ["Two fingers", "pan and zoom"],
    ],
  ],
  [
    "View",
    [
      ["[O]", "all of the view"],
      ["[M]", "orbit or fly"],
      ["[T]", "turntable"],
      ["[B]", "add a bookmark"],
      ["[1] … [9]", "go to a bookmark"],
      ["[P]", "play the path"],
      ["[L]", "copy a link"],
      ["[X]", "save a picture"],
      ["[Z]", "look at the middle"],
      ["[G]", "measure"],
      ["[N]", "annotate"],
      ["[V]", "depth, normals, ..."],
    ],
  ],
  [
    "Keys",
    [
      ["[←] [→] [↑] [↓]", "orbit"],
      ["[Shift] [←] [→] [↑] [↓]", "pan"],
      ["[+] [−]", "zoom"],
      ["[W] [A] [S] [D]", "fly"],
      ["[Q] [E]", "fly down, up"],
      ["[Space]", "play, pause"],
      ["[C]", "inputs"],
      ["[R] [Home]", "reset the view"],
      ["[I]", "frame times"],
      ["[F]", "full screen"],
      ["[?]", "this panel"],
    ],
  ],
  [
    OBJECTS,
    [
      ["Drag a handle", "move, turn, scale"],
      ["[Tab]", "to the handles"],
      ["[←] [→] [↑] [↓]", "move one"],
      ["[Shift] [←] [→] [↑] [↓]", "by a tenth"],
      ["[Esc]", "cancel, leave"],
    ],
  ],
];

/** The same for a screen reader that lands on the scene. */
export const DESCRIPTION =
  "Arrow keys orbit, with Shift they pan. Plus and minus zoom. W, A, S, D, Q and E fly. " +
  "Space plays and pauses, C shows inputs, O the view's settings. B adds a bookmark, 1 to 9 fly to one. R resets the view, I shows frame times, F fills the screen, question mark lists all keys.";

export class Help {
  #arranging;

  /** @param {() => void} closed  Called when its own button closes it. */
  constructor(closed) {
    this.element = document.createElement("section");
    this.element.className = "panel help";
    this.element.hidden = true;
    this.element.setAttribute("role", "dialog");
    this.element.setAttribute("aria-label", "Controls");
    const heading = document.createElement("h2");
    heading.textContent = "Controls";
    this.close = document.createElement("button");
    this.close.type = "button";
    this.close.className = "icon";
    this.close.title = "Close (Esc)";
    this.close.setAttribute("aria-label", "Close");
    this.close.innerHTML = ICONS.close;
    this.close.addEventListener("click", closed);
    const body = document.createElement("div");
    body.className = "groups";
    body.append(...GROUPS.map(([title, rows]) => group(title, rows)));
    this.#arranging = /** @type {HTMLElement} */ (body.lastElementChild);
    this.objects = false;
    this.element.append(heading, this.close, body);
  }

  /** @param {boolean} any  Whether the scene has objects to arrange. */
  set objects(any) {
    this.#arranging.hidden = !any;
  }
}

/**
 * @param {string} title
 * @param {[string, string][]} rows
 */
function group(title, rows) {
  const section = document.createElement("div");
  section.className = title.toLowerCase();
  const heading = document.createElement("h3");
  heading.textContent = title;
  const list = document.createElement("dl");
  for (const [how, what] of rows) {
    const term = document.createElement("dt");
    for (const part of how.split(/\s*(\[.\w*\])\s*/).filter(Boolean)) {
      const key = /^\[(.\w*)\]$/.exec(part);
      const node = document.createElement(key ? "kbd" : "span");
      node.textContent = key ? key[1] : part;
      term.append(node);
    }
    const definition = document.createElement("dd");
    definition.textContent = what;
    list.append(term, definition);
  }
  section.append(heading, list);
  return section;
}
