/**
 * What the user does, gathered into at most one message an animation frame.
 */

/** @import {Input} from "./view-protocol.mjs" */

import { VitrineError } from "./view-session.mjs";

/** @typedef {"orbit" | "pan" | "look"} Drag */

/**
 * What an input is given, as the worker takes it: what is no number is told, not passed on.
 * @param {number | ArrayLike<number> | null} values
 */
export function numbersOf(values) {
  if (values === undefined) throw new VitrineError("input", "wanted numbers, or null to give the input back; got undefined");
  return typeof values === "number" ? [values] : values && Array.from(values, Number);
}

export class InputQueue {
  #send;
  /** @type {Input | null} */
  #pending = null;
  #frame = 0;
  /** @type {[number, number, number]} */
  #axes = [0, 0, 0];

  /** @param {(input: Input) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** Whether a fly key is held. */
  get flying() {
    return this.#axes.some((axis) => axis !== 0);
  }

  /**
   * @param {Drag} kind
   * @param {number} dx  In heights of the element.
   * @param {number} dy
   */
  drag(kind, dx, dy) {
    const input = this.#next();
    const [x, y] = input[kind] ?? [0, 0];
    input[kind] = [x + dx, y + dy];
  }

  /** @param {number} steps  Natural-log steps, positive is closer. */
  zoom(steps) {
    const input = this.#next();
    input.zoom = (input.zoom ?? 0) + steps;
  }

  /** @param {[number, number, number]} axes  Held from now on. */
  move(axes) {
    if (axes.every((axis, i) => axis === this.#axes[i])) return;
    this.#axes = axes;
    this.#next().move = axes;
  }

  /** Send now what has been gathered. */
  flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const input = this.#pending;
    this.#pending = null;
    if (input) this.#send(input);
  }

  #next() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.flush());
    this.#pending ??= {};
    return this.#pending;
  }
}
