// MP4 files of one H.264 track (ISO/IEC 14496-12 and 14496-15), from encoded frames.

/** @typedef {import("./webm.mjs").Track} Track */
/** @typedef {import("./webm.mjs").Frame} Frame */
/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

const SCALE = 90_000; // ticks a second
const DPI_72 = 0x00480000;
const UNITY = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000];
/** Of ISO/IEC 23091-2. @type {Record<string, Record<string, number>>} */
const COLOURS = {
  primaries: { bt709: 1, bt470bg: 5, smpte170m: 6, bt2020: 9 },
  transfer: { bt709: 1, smpte170m: 6, linear: 8, "iec61966-2-1": 13 },
  matrix: { rgb: 0, bt709: 1, bt470bg: 5, smpte170m: 6, "bt2020-ncl": 9 },
};
const UNKNOWN = 2;

/** @param {Bytes[]} parts @returns {Bytes} */
function joined(parts) {
  const made = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}

/** @param {...number} values @returns {Bytes} */
function u32(...values) {
  const made = new Uint8Array(4 * values.length);
  const view = new DataView(made.buffer);
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return made;
}

/** @param {...number} values @returns {Bytes} */
const u16 = (...values) => Uint8Array.from(values.flatMap((value) => [value >>> 8, value & 255]));

/** @param {string} text @returns {Bytes} */
const ascii = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** @param {string} name @param {...Bytes} content */
function box(name, ...content) {
  const body = joined(content);
  return joined([u32(body.length + 8), ascii(name), body]);
}

/** A box that begins with a version and flags. @param {string} name @param {number} flags @param {...Bytes} content */
const full = (name, flags, ...content) => box(name, u32(flags), ...content);

/** @param {Track} track */
function sampleEntry({ width, height, description, colour }) {
  if (!description) throw new Error("the encoder gave no description of its H.264 stream");
  const told = /** @type {Record<string, string | null | undefined>} */ (/** @type {unknown} */ (colour ?? {}));
  const codes = ["primaries", "transfer", "matrix"].map((key) => COLOURS[key][told[key] ?? ""] ?? UNKNOWN);
  const range = Uint8Array.of(colour?.fullRange ? 0x80 : 0);
  return box("avc1", new Uint8Array(6), u16(1), new Uint8Array(16), u16(width, height),
    u32(DPI_72, DPI_72, 0), u16(1), new Uint8Array(32), u16(24, 0xffff),
    box("avcC", description), box("colr", ascii("nclx"), u16(...codes), range));
}

/** @param {Track} track @param {Frame[]} frames @param {number} dataAt Of the first frame, in the file. */
function sampleTable(track, frames, dataAt) {
  const times = frames.map(({ time_us }) => Math.round((time_us * SCALE) / 1e6));
  const step = Math.round(SCALE / track.fps);
  const lengths = times.map((time, i) => (i + 1 < times.length ? times[i + 1] - time : step));
  const runs = lengths.reduce((/** @type {number[][]} */ found, length) => {
    const last = found[found.length - 1];
    if (last?.[1] === length) last[0] += 1;
    else found.push([1, length]);
    return found;
  }, []);
  const keys = frames.flatMap(({ key }, i) => (key ? [i + 1] : []));
  return box("stbl",
    full("stsd", 0, u32(1), sampleEntry(track)),
    full("stts", 0, u32(runs.length, ...runs.flat())),
    full("stss", 0, u32(keys.length, ...keys)),
    full("stsc", 0, u32(1, 1, frames.length, 1)),
    full("stsz", 0, u32(0, frames.length, ...frames.map(({ data }) => data.length))),
    full("stco", 0, u32(1, dataAt)));
}

/** @param {Track} track @param {Frame[]} frames @param {number} dataAt */
function movie(track, frames, dataAt) {
  const last = frames[frames.length - 1];
  const length = Math.round((last.time_us * SCALE) / 1e6) + Math.round(SCALE / track.fps);
  const { width, height } = track;
  return box("moov",
    full("mvhd", 0, u32(0, 0, SCALE, length, 0x10000), u16(0x100, 0), u32(0, 0, ...UNITY),
      new Uint8Array(24), u32(2)),
    box("trak",
      full("tkhd", 3, u32(0, 0, 1, 0, length, 0, 0), u16(0, 0, 0, 0), u32(...UNITY),
        u32(width * 0x10000, height * 0x10000)),
      box("mdia",
        full("mdhd", 0, u32(0, 0, SCALE, length), u16(0x55c4, 0)),
        full("hdlr", 0, u32(0), ascii("vide"), new Uint8Array(12), ascii("Video\0")),
        box("minf",
          full("vmhd", 1, new Uint8Array(8)),
          box("dinf", full("dref", 0, u32(1), full("url ", 1))),
          sampleTable(track, frames, dataAt)))));
}

/**
 * @param {Track} track With its `description`, an avcC.
 * @param {Frame[]} frames In the order of their times, the first one a key frame.
 */
export function mp4(track, frames) {
  if (frames.some(({ time_us }, i) => i > 0 && time_us <= frames[i - 1].time_us)) {
    throw new Error("the encoder gave the frames out of order");
  }
  const type = box("ftyp", ascii("isom"), u32(0x200), ascii("isomiso2avc1mp41"));
  // its length does not hang on the number in it
  const dataAt = type.length + movie(track, frames, 0).length + 8;
  const size = frames.reduce((sum, { data }) => sum + data.length, 8);
  if (dataAt + size > 0xffffffff) throw new Error("an MP4 file of more than 4 GiB; take fewer frames");
  return new Blob(
    [type, movie(track, frames, dataAt), u32(size), ascii("mdat"), ...frames.map(({ data }) => data)],
    { type: "video/mp4" });
}
