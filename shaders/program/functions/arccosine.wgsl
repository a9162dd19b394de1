// acos as pi/2 - asin up to 0.5, beyond by the half angle; the builtin may be 7e-5 off.
fn arccosine(x: f32) -> f32 {
  let a = abs(x);
  let far = a > 0.5;
  let t = select(a * a, 0.5 - 0.5 * a, far);
  let s = select(x, sqrt(t), far);
  let p = (((0.0421485938 * t + 0.0241879728) * t + 0.0454693139) * t + 0.0749529675) * t
    + 0.166667536;
  let y = s + s * t * p;
  return select(1.57079633 - y, select(2.0 * y, 3.14159265 - 2.0 * y, x < 0.0), far);
}
