// tan: the quotient of the two polynomials of sine.
fn tangent(x: f32) -> f32 {
  let k = round(x * 0.636619772);
  let r = ((x - k * 1.5703125) - k * 4.83751297e-4) - k * 7.54978995e-8;
  let z = r * r;
  let odd = r + r * z * ((8.3321608736e-3 - z * 1.9515295891e-4) * z - 1.6666654611e-1);
  let even = 1.0 - 0.5 * z
    + z * z * ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2);
  return select(odd / even, -even / odd, (i32(k) & 1) != 0);
}
