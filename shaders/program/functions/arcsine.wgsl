// asin: x + x³ P(x²) up to 0.5, beyond by the half angle; the builtin may be 7e-5 off.
fn arcsine(x: f32) -> f32 {
  let a = abs(x);
  let far = a > 0.5;
  let t = select(a * a, 0.5 - 0.5 * a, far);
  let s = select(a, sqrt(t), far);
  let p = (((0.0421485938 * t + 0.0241879728) * t + 0.0454693139) * t + 0.0749529675) * t
    + 0.166667536;
  let y = s + s * t * p;
  return sign(x) * select(y, 1.57079633 - 2.0 * y, far);
}
