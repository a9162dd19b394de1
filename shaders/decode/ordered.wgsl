// Floats as integers of the same order, so that atomics find the smallest and the largest.

fn ordered(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
}

fn from_ordered(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, key >> 31u == 1u));
}
