// Spherical harmonics of a Gaussian, degrees 1 to 3, above the DC term.
// Needs: `sh_triplet(first, index)`, red, green and blue of a coefficient, 0 being the first above
//   DC. Constants: SH_DEGREE (stored).
// Source: the real basis of Kerbl et al. 2023; pybuild/sh.py is its oracle.

const SH_C1: f32 = 0.48860251;

// Sum of the bands 1 to `degree`; `first` is where the Gaussian's coefficients begin.
fn evaluate_sh(first: u32, degree: u32, direction: vec3f) -> vec3f {
  let x = direction.x;
  let y = direction.y;
  let z = direction.z;
  var sum = SH_C1 * (sh_triplet(first, 1u) * z - sh_triplet(first, 0u) * y
    - sh_triplet(first, 2u) * x);
  if (SH_DEGREE >= 2u && degree >= 2u) {
    let xx = x * x;
    let yy = y * y;
    let zz = z * z;
    sum += sh_triplet(first, 3u) * (1.09254843 * x * y)
      - sh_triplet(first, 4u) * (1.09254843 * y * z)
      + sh_triplet(first, 5u) * (0.31539157 * (2.0 * zz - xx - yy))
      - sh_triplet(first, 6u) * (1.09254843 * x * z)
      + sh_triplet(first, 7u) * (0.54627421 * (xx - yy));
    if (SH_DEGREE >= 3u && degree >= 3u) {
      sum += sh_triplet(first, 10u) * (-0.45704580 * y * (4.0 * zz - xx - yy))
        + sh_triplet(first, 8u) * (-0.59004359 * y * (3.0 * xx - yy))
        + sh_triplet(first, 9u) * (2.89061144 * x * y * z)
        + sh_triplet(first, 11u) * (0.37317633 * z * (2.0 * zz - 3.0 * xx - 3.0 * yy))
        + sh_triplet(first, 12u) * (-0.45704580 * x * (4.0 * zz - xx - yy))
        + sh_triplet(first, 13u) * (1.44530572 * z * (xx - yy))
        + sh_triplet(first, 14u) * (-0.59004359 * x * (xx - 3.0 * yy));
    }
  }
  return sum;
}
