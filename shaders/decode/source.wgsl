// A row of a scene file in PLY axes, whatever the format.
// Needs `source`, the bytes, and `table`, a SourceTable that says where the numbers lie.
// Constants: FORMAT, SH_COEFFICIENTS (above DC, a channel). All loops end at constants; rows are
//   below the count that was checked against the file's size, and indices are clamped besides.

const PLY: u32 = 0u;
const SPLAT: u32 = 1u;
const SPZ: u32 = 2u; // 3: compressed PLY

const SH_C0: f32 = 0.28209479;
const SQRT_HALF: f32 = 0.70710678;
const LOG_SCALE_LIMIT: f32 = 88.0; // exp of it is about the largest f32

// Everything of a splat but its centre and its harmonics.
struct Shape {
  log_scale: vec3f,
  rotation: vec4f, // w, x, y, z; of any length
  opacity: f32, // 0..1
  rgb: vec3f, // display-referred, not clamped
}

// Four components, of which `largest` was left out because the others tell it.
fn with_largest(largest: u32, others: vec3f) -> vec4f {
  let rest = sqrt(max(0.0, 1.0 - dot(others, others)));
  if (largest == 0u) {
    return vec4f(rest, others);
  }
  if (largest == 1u) {
    return vec4f(others.x, rest, others.yz);
  }
  if (largest == 2u) {
    return vec4f(others.xy, rest, others.z);
  }
  return vec4f(others, rest);
}

// #include "decode/bytes.wgsl"
// #include "decode/source_ply.wgsl"
// #include "decode/source_splat.wgsl"
// #include "decode/source_spz.wgsl"
// #include "decode/source_compressed_ply.wgsl"

// False for what pybuild.gaussians.Gaussians.cleaned drops.
fn is_drawable(row: u32) -> bool {
  if (FORMAT == PLY) {
    return ply_is_drawable(row);
  }
  if (FORMAT == SPLAT) {
    return splat_is_drawable(row);
  }
  if (FORMAT == SPZ) {
    return spz_is_drawable(row);
  }
  return compressed_ply_is_drawable(row);
}

// -1 for each axis that is negated on the way to PLY axes, else 1.
fn axis_signs() -> vec3f {
  return 1.0 - 2.0 * vec3f((vec3u(table.axis_flips) >> vec3u(0u, 1u, 2u)) & vec3u(1u));
}

fn load_position(row: u32) -> vec3f {
  if (FORMAT == PLY) {
    return ply_vec3(row, 0u) * axis_signs();
  }
  if (FORMAT == SPLAT) {
    return splat_vec3(row, 0u) * axis_signs();
  }
  if (FORMAT == SPZ) {
    return spz_position(row) * axis_signs();
  }
  return compressed_ply_position(row) * axis_signs();
}

fn load_shape(row: u32) -> Shape {
  var shape: Shape;
  if (FORMAT == PLY) {
    shape = ply_shape(row);
  } else if (FORMAT == SPLAT) {
    shape = splat_shape(row);
  } else if (FORMAT == SPZ) {
    shape = spz_shape(row);
  } else {
    shape = compressed_ply_shape(row);
  }
  let signs = axis_signs();
  shape.rotation *= vec4f(1.0, signs.yxx * signs.zzy);
  return shape;
}

// One coefficient above DC of one channel.
fn load_sh(row: u32, coefficient: u32, channel: u32) -> f32 {
  var value = 0.0;
  if (FORMAT == PLY) {
    value = ply_sh(row, coefficient, channel);
  } else if (FORMAT == SPZ) {
    value = spz_sh(row, coefficient, channel);
  } else if (FORMAT != SPLAT) {
    value = compressed_ply_sh(row, coefficient, channel);
  }
  return select(value, -value, ((table.sh_flips >> coefficient) & 1u) == 1u);
}
