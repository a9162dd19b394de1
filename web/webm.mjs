// WebM files of one video track (RFC 8794 and 9559, EBML and Matroska), from encoded frames.

/** @typedef {{width: number, height: number, codec: string, fps: number,
 *   description?: Uint8Array<ArrayBuffer>, colour?: VideoColorSpaceInit | null}} Track */
/** @typedef {{data: Uint8Array<ArrayBuffer>, time_us: number, key: boolean}} Frame */
/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** Nanoseconds of a tick: times are in milliseconds. */
const TICK_NS = 1_000_000;
/** A block's time is 16 bits from its cluster's. */
const CLUSTER_MS = 5000;
const VIDEO = 1;
/** Names of codecs by the beginning of WebCodecs' strings. @type {[string, string][]} */
const CODECS = [["vp8", "V_VP8"], ["vp09", "V_VP9"], ["av01", "V_AV1"]];
/** Of ISO/IEC 23091-2, which Matroska takes too. @type {Record<string, Record<string, number>>} */
const COLOURS = {
  matrix: { rgb: 0, bt709: 1, bt470bg: 5, smpte170m: 6, "bt2020-ncl": 9 },
  transfer: { bt709: 1, smpte170m: 6, linear: 8, "iec61966-2-1": 13 },
  primaries: { bt709: 1, bt470bg: 5, smpte170m: 6, bt2020: 9 },
};

/** @param {number} id */
function idBytes(id) {
  const bytes = [];
  for (let rest = id; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return bytes;
}

/** A length in eight bytes. @param {number} size */
function sizeBytes(size) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(size) | (1n << 56n));
  return bytes;
}

/** @param {BlobPart[]} parts */
const lengthOf = (parts) => parts.reduce((sum, part) => sum + /** @type {Bytes} */ (part).length, 0);

/** An element of others or of bytes. @param {number} id @param {...Bytes} content @returns {Bytes} */
function element(id, ...content) {
  const head = [...idBytes(id), ...sizeBytes(lengthOf(content))];
  const made = new Uint8Array(head.length + lengthOf(content));
  made.set(head);
  let at = head.length;
  for (const part of content) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}

/** @param {number} id @param {number} value */
const uint = (id, value) => element(id, new Uint8Array(idBytes(value).length ? idBytes(value) : [0]));

/** @param {number} id @param {string} value */
const text = (id, value) => element(id, /** @type {Bytes} */ (new TextEncoder().encode(value)));

/** @param {number} id @param {number} value */
function float(id, value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return element(id, bytes);
}

/** @param {Track} track */
function trackEntry({ width, height, codec, fps, description, colour }) {
  const name = CODECS.find(([begin]) => codec.startsWith(begin))?.[1];
  if (!name) throw new Error(`WebM takes VP8, VP9 and AV1, not ${codec}`);
  const said = Object.entries({ matrix: 0x55b1, transfer: 0x55ba, primaries: 0x55bb }).flatMap(
    ([key, id]) => {
      const value = COLOURS[key][/** @type {any} */ (colour)?.[key] ?? ""];
      return value === undefined ? [] : [uint(id, value)];
    });
  if (typeof colour?.fullRange === "boolean") said.push(uint(0x55b9, colour.fullRange ? 2 : 1));
  const video = element(0xe0, uint(0xb0, width), uint(0xba, height),
    ...(said.length ? [element(0x55b0, ...said)] : []));
  return element(0xae, uint(0xd7, 1), uint(0x73c5, 1), uint(0x83, VIDEO), uint(0x9c, 0),
    uint(0x23e383, Math.round(1e9 / fps)), text(0x86, name),
    ...(description && name === "V_AV1" ? [element(0x63a2, description)] : []), video);
}

/** Frames that begin with one that can be shown alone, up to so many milliseconds.
 * @param {Frame[]} frames */
function* clusters(frames) {
  let first = 0;
  for (let i = 1; i <= frames.length; i++) {
    const long = i < frames.length && frames[i].time_us - frames[first].time_us > 1000 * CLUSTER_MS;
    if (i < frames.length && !frames[i].key && !long) continue;
    yield frames.slice(first, i);
    first = i;
  }
}

/** @param {Frame[]} frames */
function cluster(frames) {
  const start = Math.round(frames[0].time_us / 1000);
  const blocks = frames.map(({ data, time_us, key }) => {
    const head = new Uint8Array([0x81, 0, 0, key ? 0x80 : 0]);
    new DataView(head.buffer).setInt16(1, Math.round(time_us / 1000) - start);
    return element(0xa3, head, data);
  });
  return element(0x1f43b675, uint(0xe7, start), ...blocks);
}

/**
 * @param {Track} track
 * @param {Frame[]} frames In the order of their times, the first one a key frame.
 */
export function webm(track, frames) {
  const header = element(0x1a45dfa3, uint(0x4286, 1), uint(0x42f7, 1), uint(0x42f2, 4),
    uint(0x42f3, 8), text(0x4282, "webm"), uint(0x4287, 4), uint(0x4285, 2));
  const last = frames[frames.length - 1];
  const info = element(0x1549a966, uint(0x2ad7b1, TICK_NS),
    float(0x4489, last.time_us / 1000 + 1000 / track.fps),
    text(0x4d80, "Vitrine"), text(0x5741, "Vitrine"));
  const tracks = element(0x1654ae6b, trackEntry(track));
  const made = [...clusters(frames)].map((some) => ({ bytes: cluster(some), first: some[0] }));
  // where the key frames are, so that a player can seek; its own length does not hang on its numbers
  const cues = (/** @type {number} */ before) => {
    let at = before;
    return element(0x1c53bb6b, ...made.flatMap(({ bytes, first }) => {
      const place = new Uint8Array(8);
      new DataView(place.buffer).setBigUint64(0, BigInt(at));
      at += bytes.length;
      if (!first.key) return [];
      const time = uint(0xb3, Math.round(first.time_us / 1000));
      return [element(0xbb, time, element(0xb7, uint(0xf7, 1), element(0xf1, place)))];
    }));
  };
  const front = info.length + tracks.length;
  const body = [info, tracks, cues(front + cues(0).length), ...made.map(({ bytes }) => bytes)];
  const segment = new Uint8Array([...idBytes(0x18538067), ...sizeBytes(lengthOf(body))]);
  return new Blob([header, segment, ...body], { type: "video/webm" });
}
