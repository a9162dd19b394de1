// tanh: an odd rational of degrees 9 and 8 fitted on [0, 9] for the least relative error, which is
// 4e-7 in f32; beyond, tanh is 1. The builtin of some drivers has no digits left near 0.
fn tangent_hyperbolic(x: f32) -> f32 {
  let a = clamp(x, -9.0, 9.0);
  let t = a * a;
  let top = (((1.33543567e-8 * t + 2.06088625e-5) * t + 3.49557493e-3) * t + 1.33810148e-1) * t
    + 1.0;
  let bottom = (((7.77643322e-7 * t + 3.28561291e-4) * t + 2.58769318e-2) * t + 4.67143297e-1) * t
    + 1.0;
  return clamp(a * top / bottom, -1.0, 1.0);
}
