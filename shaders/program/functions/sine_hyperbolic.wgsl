// sinh, accurate near 0; the halves stand inside exp, so that it overflows only where sinh does.
fn sine_hyperbolic(x: f32) -> f32 {
  let a = abs(x);
  if (a < 0.5) {
    let t = x * x;
    return x * (((t / 5040.0 + 1.0 / 120.0) * t + 1.0 / 6.0) * t + 1.0);
  }
  return sign(x) * (exp(a - 0.69314718) - exp(-a - 0.69314718));
}
