// Inverse of tanh, accurate near 0 by its series.
fn artanh(x: f32) -> f32 {
  if (abs(x) < 0.25) {
    let t = x * x;
    return x * (((((t / 11.0 + 1.0 / 9.0) * t + 1.0 / 7.0) * t + 0.2) * t + 1.0 / 3.0) * t + 1.0);
  }
  return 0.5 * log((1.0 + x) / (1.0 - x));
}
