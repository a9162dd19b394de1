// log(1 + x), accurate near 0: there 2 atanh(x / (2 + x)) by its series.
fn log1p(x: f32) -> f32 {
  if (x < -0.3 || x > 0.5) { return log(1.0 + x); }
  let s = x / (2.0 + x);
  let t = s * s;
  return 2.0 * s * ((((t / 9.0 + 1.0 / 7.0) * t + 0.2) * t + 1.0 / 3.0) * t + 1.0);
}
