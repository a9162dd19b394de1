// Bytes of a Python object, seen where they lie in wasm memory, so that reading them is no call.

export class Memory {
  #ask;
  #held;

  /** @param {() => any} ask Gives the object, as Pyodide shows it. */
  constructor(ask) {
    this.#ask = ask;
    this.#held = taken(ask);
  }

  /** Taken anew when Python's memory grew. @returns {Uint8Array<ArrayBuffer>} */
  get bytes() {
    if (this.#held.data.byteLength === 0) {
      this.#held.release();
      this.#held = taken(this.#ask);
    }
    return this.#held.data;
  }

  release() {
    this.#held.release();
  }
}

/** @param {() => any} ask @returns {{data: Uint8Array<ArrayBuffer>, release: () => void}} */
function taken(ask) {
  const proxy = ask();
  const memory = proxy.getBuffer("u8");
  proxy.destroy();
  return memory;
}
