// Rows of a .splat file, 32 bytes each. Oracle: pybuild/formats/splat.py, which draws the layout.

fn splat_bytes(row: u32, word: u32) -> vec4f {
  let bytes = load_word(row * 8u + word);
  return vec4f((vec4u(bytes) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u));
}

fn splat_vec3(row: u32, word: u32) -> vec3f {
  let first = row * 8u + word;
  return vec3f(
    finite(load_word(first)), finite(load_word(first + 1u)), finite(load_word(first + 2u)));
}

fn splat_is_drawable(row: u32) -> bool {
  var good = any(splat_bytes(row, 7u) != vec4f(128.0));
  for (var axis = 0u; axis < 3u; axis++) {
    let scale = load_word(row * 8u + 3u + axis);
    let is_negative = scale > 0x80000000u;
    good &= is_finite(load_word(row * 8u + axis)) && is_finite(scale) && !is_negative;
    good &= log(max(finite(scale), 1e-30)) < LOG_SCALE_LIMIT;
  }
  return good;
}

fn splat_shape(row: u32) -> Shape {
  let color = splat_bytes(row, 6u) / 255.0;
  return Shape(
    log(max(splat_vec3(row, 3u), vec3f(1e-30))),
    splat_bytes(row, 7u) / 128.0 - 1.0,
    color.a,
    color.rgb,
  );
}
