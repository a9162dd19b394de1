// Inverse of sinh. The builtin loses everything for large negative x and precision near 0.
fn arsinh(x: f32) -> f32 {
  let a = abs(x);
  let t = a * a;
  if (a < 0.25) {
    return x * ((((t * 0.030381944 - 0.044642857) * t + 0.075) * t - 1.0 / 6.0) * t + 1.0);
  }
  let large = log(a) + 0.69314718;
  return sign(x) * select(log(a + sqrt(min(t, 1e12) + 1.0)), large, a > 1e4);
}
