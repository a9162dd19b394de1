/** Files that are dragged over an element and dropped on it. */

export class FileDrop {
  /** Children fire enter and leave too; only the balance tells. */
  #depth = 0;
  #hover;

  /**
   * @param {HTMLElement} element
   * @param {(over: boolean) => void} hover  A file hovers, or no more.
   * @param {(file: File) => void} drop
   */
  constructor(element, hover, drop) {
    this.#hover = hover;
    element.addEventListener("dragenter", (event) => {
      if (hasFiles(event)) this.#over(this.#depth + 1);
    });
    element.addEventListener("dragleave", (event) => {
      if (hasFiles(event)) this.#over(this.#depth - 1);
    });
    element.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
    });
    element.addEventListener("drop", (event) => {
      this.#over(0);
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      drop(file);
    });
  }

  /** @param {number} depth */
  #over(depth) {
    this.#depth = Math.max(0, depth);
    this.#hover(this.#depth > 0);
  }
}

/** @param {DragEvent} event */
function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}
