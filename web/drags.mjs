// What the visitor did since the last frame, added up for the one call that a frame makes.

/** Places of `take`'s numbers; of fly axes, which are held, the last ones count. */
const ORBIT = 0, PAN = 2, LOOK = 4, ZOOM = 6, MOVE = 7, COUNT = 10;

export class Drags {
  #sums = new Float64Array(COUNT);

  /** @param {import("./view-protocol.mjs").Input} input */
  add({ orbit, pan, look, zoom, move }) {
    this.#add(ORBIT, orbit);
    this.#add(PAN, pan);
    this.#add(LOOK, look);
    this.#sums[ZOOM] += zoom ?? 0;
    if (move) this.#sums.set(move, MOVE);
  }

  /** Whether a fly key is held. */
  get flying() {
    return this.#sums.subarray(MOVE).some((axis) => axis !== 0);
  }

  /** orbit, pan, look, two numbers each; zoom; three fly axes. Drags begin anew. */
  take() {
    const taken = [...this.#sums];
    this.#sums.fill(0, 0, MOVE);
    return taken;
  }

  /** @param {number} at @param {[number, number]} [drag] */
  #add(at, [x, y] = [0, 0]) {
    this.#sums[at] += x;
    this.#sums[at + 1] += y;
  }
}
