// PNG files of 8-bit pixels (RFC 2083), by rows, with no limit but memory: a canvas has one, and it
// rounds what is transparent.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const RGB = 2, RGBA = 6;
const SUB = 1, UP = 2, PAETH = 4;

const CRCS = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** @param {Uint8Array[]} parts */
function crc(parts) {
  let value = 0xffffffff;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) value = CRCS[(value ^ part[i]) & 255] ^ (value >>> 8);
  }
  return (value ^ 0xffffffff) >>> 0;
}

/** @param {string} name @param {Uint8Array<ArrayBuffer>} data @returns {Uint8Array<ArrayBuffer>[]} */
function chunk(name, data) {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, data.length);
  for (let i = 0; i < 4; i++) head[4 + i] = name.charCodeAt(i);
  const tail = new Uint8Array(4);
  new DataView(tail.buffer).setUint32(0, crc([head.subarray(4), data]));
  return [head, data, tail];
}

/**
 * @param {Uint8ClampedArray | Uint8Array} pixels Rows of RGBA from the top, not premultiplied.
 * @param {number} width @param {number} height
 * @param {boolean} alpha Whether the fourth channel is kept.
 */
export async function png(pixels, width, height, alpha) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, alpha ? RGBA : RGB, 0, 0, 0], 8);
  const packed = await deflated(filtered(pixels, width, height, alpha ? 4 : 3));
  return new Blob([
    new Uint8Array(SIGNATURE), ...chunk("IHDR", header), ...chunk("IDAT", packed),
    ...chunk("IEND", new Uint8Array(0)),
  ], { type: "image/png" });
}

/** Rows in pieces, each row by the filter that leaves the smallest numbers.
 * @param {Uint8ClampedArray | Uint8Array} pixels @param {number} width @param {number} height
 * @param {number} channels */
function* filtered(pixels, width, height, channels) {
  const size = width * channels;
  let row = new Uint8Array(size), above = new Uint8Array(size);
  const tries = [SUB, UP, PAETH].map(() => new Uint8Array(size + 1));
  const rows = Math.max(1, Math.floor((1 << 20) / (size + 1)));
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    const piece = new Uint8Array(count * (size + 1));
    for (let y = 0; y < count; y++) {
      const from = (top + y) * width * 4;
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < channels; c++) row[x * channels + c] = pixels[from + 4 * x + c];
      }
      piece.set(best(row, above, channels, tries), y * (size + 1));
      [row, above] = [above, row];
    }
    yield piece;
  }
}

/** @param {Uint8Array} row @param {Uint8Array} above @param {number} step @param {Uint8Array[]} tries */
function best(row, above, step, [sub, up, paeth]) {
  sub[0] = SUB;
  up[0] = UP;
  paeth[0] = PAETH;
  const sums = [0, 0, 0];
  for (let i = 0; i < row.length; i++) {
    const value = row[i], left = i < step ? 0 : row[i - step];
    const over = above[i], corner = i < step ? 0 : above[i - step];
    const byLeft = Math.abs(over - corner), byOver = Math.abs(left - corner);
    const byCorner = Math.abs(left + over - 2 * corner);
    const guess = byLeft <= byOver && byLeft <= byCorner ? left : byOver <= byCorner ? over : corner;
    sums[0] += Math.abs(((sub[i + 1] = value - left) << 24) >> 24);
    sums[1] += Math.abs(((up[i + 1] = value - over) << 24) >> 24);
    sums[2] += Math.abs(((paeth[i + 1] = value - guess) << 24) >> 24);
  }
  const least = Math.min(...sums);
  return sums[2] === least ? paeth : sums[1] === least ? up : sub;
}

/** @param {Iterable<Uint8Array<ArrayBuffer>>} pieces @returns {Promise<Uint8Array<ArrayBuffer>>} As a zlib stream. */
async function deflated(pieces) {
  const stream = new CompressionStream("deflate");
  const bytes = new Response(stream.readable).arrayBuffer();
  const writer = stream.writable.getWriter();
  for (const piece of pieces) await writer.write(piece);
  await writer.close();
  return new Uint8Array(await bytes);
}
