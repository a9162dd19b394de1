// To a float format of 1 to 10 bits of fraction; below the exponent `lowest` the spacing stays.
fn round_small(x: f32, digits: i32, lowest: i32) -> f32 {
  let magnitude = bitcast<u32>(x) & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) { return x; }
  let exponent = max(i32(magnitude >> 23u), lowest + 127);
  let quantum = bitcast<f32>(u32(exponent - digits) << 23u);
  return round(x * bitcast<f32>(u32(254 + digits - exponent) << 23u)) * quantum;
}
