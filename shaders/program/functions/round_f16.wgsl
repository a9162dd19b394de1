// The float16 that is nearest, of two equally near the even one; 65520 and more become infinity.
fn round_f16(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x477ff000u) {
    let large = select(0x7f800000u, magnitude, magnitude > 0x7f800000u);
    return bitcast<f32>(large | (bits & 0x80000000u));
  }
  let exponent = max(magnitude >> 23u, 113u);
  let quantum = bitcast<f32>((exponent - 10u) << 23u);
  return round(x * bitcast<f32>((264u - exponent) << 23u)) * quantum;
}
