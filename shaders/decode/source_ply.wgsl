// Rows of an INRIA PLY: scalars of any type at any byte. Oracle: pybuild/formats/ply.py.
// Columns: first row's byte, row's bytes, then a word a property; see pyengine/sources/ply.py.

const PLY_SCALE: u32 = 3u;
const PLY_ROTATION: u32 = 6u;
const PLY_OPACITY: u32 = 10u;
const PLY_DC: u32 = 11u;
const PLY_REST: u32 = 14u;

fn ply_bits(row: u32, property: u32) -> u32 {
  let code = column(2u + property);
  return scalar_bits(column(0u) + row * column(1u) + (code & 0x0fffffffu), code >> 28u);
}

fn ply_f32(row: u32, property: u32) -> f32 {
  return finite(ply_bits(row, property));
}

fn ply_vec3(row: u32, property: u32) -> vec3f {
  return vec3f(ply_f32(row, property), ply_f32(row, property + 1u), ply_f32(row, property + 2u));
}

fn ply_is_drawable(row: u32) -> bool {
  var good = !is_nan(ply_bits(row, PLY_OPACITY));
  for (var axis = 0u; axis < 3u; axis++) {
    let scale = ply_bits(row, PLY_SCALE + axis);
    good &= is_finite(ply_bits(row, axis)) && !is_nan(scale) && finite(scale) < LOG_SCALE_LIMIT;
  }
  var longest = 0.0;
  for (var i = 0u; i < 4u; i++) {
    let component = ply_bits(row, PLY_ROTATION + i);
    good &= is_finite(component);
    longest = max(longest, abs(finite(component)));
  }
  for (var i = 0u; i < 3u + 3u * SH_COEFFICIENTS; i++) {
    good &= is_finite(ply_bits(row, PLY_DC + i));
  }
  return good && longest > 1e-12;
}

fn ply_shape(row: u32) -> Shape {
  let logit = clamp(ply_f32(row, PLY_OPACITY), -80.0, 80.0);
  return Shape(
    ply_vec3(row, PLY_SCALE),
    vec4f(ply_f32(row, PLY_ROTATION), ply_vec3(row, PLY_ROTATION + 1u)),
    1.0 / (1.0 + exp(-logit)),
    ply_vec3(row, PLY_DC) * SH_C0 + 0.5,
  );
}

fn ply_sh(row: u32, coefficient: u32, channel: u32) -> f32 {
  return ply_f32(row, PLY_REST + channel * SH_COEFFICIENTS + coefficient);
}
