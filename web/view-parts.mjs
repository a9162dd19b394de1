/** Small parts that panels are made of. */

import { ICONS } from "./view-icons.mjs";

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} className
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/**
 * @param {string} text
 * @param {() => void} act
 */
export function textButton(text, act) {
  const made = make("button", "text", text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/**
 * @param {keyof typeof ICONS} icon
 * @param {string} label
 * @param {() => void} act
 */
export function iconButton(icon, label, act) {
  const made = make("button", "icon small");
  made.type = "button";
  made.innerHTML = ICONS[icon];
  made.title = label;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

/**
 * A label and what it labels, in a row.
 * @param {string} text
 * @param {HTMLElement} control
 */
export const field = (text, control) => make("label", "field", make("span", "", text), control);

/**
 * @param {string} text
 * @param {(on: boolean) => void} [turn]
 */
export function checkbox(text, turn = () => {}) {
  const box = make("input", "");
  box.type = "checkbox";
  box.addEventListener("change", () => turn(box.checked));
  return { box, row: make("label", "check", box, make("span", "", text)) };
}

/**
 * @param {[string, string][]} choices Values and texts.
 * @param {(value: string) => void} [choose]
 */
export function picker(choices, choose = () => {}) {
  const made = make("select", "wide");
  made.append(...choices.map(([value, text]) => new Option(text, value)));
  made.addEventListener("change", () => choose(made.value));
  return made;
}

/**
 * A number that is typed, and told when it is one.
 * @param {string} label
 * @param {{min: number, max: number, step: number, value: number}} range
 * @param {(value: number) => void} [set]
 */
export function number(label, range, set = () => {}) {
  const made = make("input", "number");
  made.type = "number";
  made.setAttribute("aria-label", label);
  made.inputMode = "decimal";
  Object.assign(made, Object.fromEntries(Object.entries(range).map(([k, v]) => [k, String(v)])));
  made.addEventListener("change", () => {
    if (made.checkValidity() && made.value) set(made.valueAsNumber);
  });
  return made;
}

/**
 * A part of a panel under its own heading.
 * @param {string} title
 * @param {...HTMLElement} children
 */
export function section(title, ...children) {
  const made = make("div", "part", make("h3", "", title), ...children);
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", title);
  return made;
}

/** A colour as a box for one has it. @param {number[]} rgb  0 to 1. */
export function hex(rgb) {
  const level = (/** @type {number} */ part) => Math.round(255 * Math.min(1, Math.max(0, part)));
  return `#${rgb.map((part) => level(part).toString(16).padStart(2, "0")).join("")}`;
}

/** Back: 0 to 1. @param {string} text @returns {[number, number, number]} */
export const levels = (text) =>
  /** @type {[number, number, number]} */ ([1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16) / 255));
