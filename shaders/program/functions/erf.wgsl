// Error function: an odd rational of degrees 11 and 10 fitted on [0, 3.92] for the least relative
// error, which is 4.3e-7 in f32; beyond, erf is 1.
fn erf(x: f32) -> f32 {
  let a = clamp(x, -3.92, 3.92);
  let t = a * a;
  let top = ((((2.05003153e-6 * t + 2.84874986e-4) * t + 3.76551319e-3) * t + 5.27484007e-2) * t
    + 1.90404788e-1) * t + 1.12837911;
  let bottom = ((((3.80907295e-5 * t + 1.16249989e-3) * t + 1.49690192e-2) * t + 1.14108324e-1) * t
    + 5.02074599e-1) * t + 1.0;
  return clamp(a * top / bottom, -1.0, 1.0);
}
