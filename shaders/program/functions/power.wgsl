// x to the power y as C's pow has it: WGSL's is undefined for a negative base.
fn power(x: f32, y: f32) -> f32 {
  if (y == 0.0 || x == 1.0) { return 1.0; }
  var special = select(0u, 0x7f800000u, y < 0.0);
  if (x == 0.0) { return bitcast<f32>(special); }
  let size = pow(abs(x), y);
  if (x > 0.0) { return size; }
  special = 0x7fc00000u;
  if (y != floor(y)) { return bitcast<f32>(special); }
  let half = 0.5 * y;
  return select(-size, size, half == floor(half));
}
