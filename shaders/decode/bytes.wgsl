// Numbers at any byte of `source`, a file of bytes as they stood on the disk.
// Infinities and NaNs are found by their bits: WGSL lets a compiler assume that there are none.

// Codes of scalar types, as pyengine/sources/ply_header.py has them.
const KIND_I8: u32 = 0u;
const KIND_U8: u32 = 1u;
const KIND_I16: u32 = 2u;
const KIND_U16: u32 = 3u;
const KIND_I32: u32 = 4u;
const KIND_U32: u32 = 5u;
const KIND_F32: u32 = 6u; // 7: f64

const EXPONENT_BITS: u32 = 0x7f800000u;
const LARGEST: f32 = 3.4e38;

fn column(index: u32) -> u32 {
  return table.columns[index / 4u][index % 4u];
}

fn load_word(word: u32) -> u32 {
  return source[min(word, arrayLength(&source) - 1u)];
}

fn load_u8(byte: u32) -> u32 {
  return (load_word(byte / 4u) >> (byte % 4u * 8u)) & 255u;
}

// Four bytes, the least significant first.
fn load_u32(byte: u32) -> u32 {
  let shift = byte % 4u * 8u;
  let low = load_word(byte / 4u);
  if (shift == 0u) {
    return low;
  }
  return (low >> shift) | (load_word(byte / 4u + 1u) << (32u - shift));
}

fn swap_bytes(word: u32) -> u32 {
  return (word << 24u) | ((word & 0xff00u) << 8u) | ((word >> 8u) & 0xff00u) | (word >> 24u);
}

fn is_finite(bits: u32) -> bool {
  return (bits & EXPONENT_BITS) != EXPONENT_BITS;
}

fn is_nan(bits: u32) -> bool {
  return (bits & 0x7fffffffu) > EXPONENT_BITS;
}

// The number that bits of a float stand for; an infinity becomes the largest one.
fn finite(bits: u32) -> f32 {
  if (is_finite(bits)) {
    return bitcast<f32>(bits);
  }
  return select(LARGEST, -LARGEST, bits >> 31u == 1u);
}

// Bits of the f32 nearest to an f64; tiny numbers become zero, huge ones infinite.
fn narrowed(high: u32, low: u32) -> u32 {
  let sign = high & 0x80000000u;
  let exponent = i32((high >> 20u) & 0x7ffu) - 896; // 1023 - 127
  let mantissa = ((high & 0xfffffu) << 3u) | (low >> 29u);
  if (exponent >= 255) {
    let is_number = exponent != 1151; // 2047 - 896
    let payload = (high & 0xfffffu) | low;
    return sign | EXPONENT_BITS | select(1u, 0u, is_number || payload == 0u);
  }
  if (exponent <= 0) {
    return sign;
  }
  return sign | ((u32(exponent) << 23u) + mantissa + ((low >> 28u) & 1u));
}

// A scalar of any type, as the bits of a float.
fn scalar_bits(byte: u32, kind: u32) -> u32 {
  let swapped = table.big_endian == 1u;
  var word = load_u32(byte);
  if (kind == KIND_U8) {
    return bitcast<u32>(f32(word & 255u));
  }
  if (kind == KIND_I8) {
    return bitcast<u32>(f32(bitcast<i32>(word << 24u) >> 24u));
  }
  if (kind == KIND_I16 || kind == KIND_U16) {
    let half = select(word & 0xffffu, swap_bytes(word) >> 16u, swapped);
    let number = select(f32(bitcast<i32>(half << 16u) >> 16u), f32(half), kind == KIND_U16);
    return bitcast<u32>(number);
  }
  if (kind <= KIND_F32) {
    word = select(word, swap_bytes(word), swapped);
    if (kind == KIND_F32) {
      return word;
    }
    return bitcast<u32>(select(f32(bitcast<i32>(word)), f32(word), kind == KIND_U32));
  }
  let second = load_u32(byte + 4u);
  return select(narrowed(second, word), narrowed(swap_bytes(word), swap_bytes(second)), swapped);
}
