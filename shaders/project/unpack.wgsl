// Gaussian-packing conversions that project, splat and decode share.
// Layout of a packed Gaussian (pybuild/pack.py writes it, docs/formats.md draws it):
//   geometry.x  position x | position y << 16           unorm16 of the chunk's box
//   geometry.y  position z | opacity << 16 | SH scale << 24
//   geometry.z  rotation: largest index << 30 | three smallest, 10 bits each
//   geometry.w  log-scale x | y << 11 | z << 22         11, 11, 10 bits of the chunk's range
//   color       r | g << 11 | b << 22                   11, 11, 10 bits of the chunk's range

const SQRT_HALF: f32 = 0.70710678;

// Rotation matrix (columns) of a "smallest three" quaternion.
fn unpack_rotation(word: u32) -> mat3x3f {
  let largest = word >> 30u;
  let small = (vec3f(vec3u(word, word >> 10u, word >> 20u) & vec3u(1023u)) - 511.0)
    * (SQRT_HALF / 511.0);
  let rest = sqrt(max(0.0, 1.0 - dot(small, small)));
  var q = vec4f(rest, small);
  if (largest == 1u) {
    q = vec4f(small.x, rest, small.y, small.z);
  } else if (largest == 2u) {
    q = vec4f(small.x, small.y, rest, small.z);
  } else if (largest == 3u) {
    q = vec4f(small, rest);
  }
  let w = q.x;
  let x = q.y;
  let y = q.z;
  let z = q.w;
  return mat3x3f(
    1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y),
    2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x),
    2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y),
  );
}

fn unpack_11_11_10(word: u32) -> vec3f {
  return vec3f(f32(word & 2047u), f32((word >> 11u) & 2047u), f32(word >> 22u));
}

// Multiplier of a Gaussian's signed SH bytes; code 0 means that all are zero.
fn unpack_sh_scale(code: u32) -> f32 {
  return exp2(f32(code) * (16.0 / 255.0) - 12.0);
}
