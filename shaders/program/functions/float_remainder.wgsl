// Remainder with the sign of the dividend (C's fmod): exact where the quotient fits 2^23.
fn float_remainder(a: f32, b: f32) -> f32 {
  return a - b * trunc(a / b);
}
