// Rows of an inflated SPZ, versions 1 to 4: an array an attribute. Oracle: pybuild/formats/spz.py.
// Columns: version, fractional bits, bytes of harmonics a splat, first byte of each array in the
//   order positions, alphas, colors, scales, rotations, sh.

fn spz_bytes(array: u32, row: u32) -> vec3f {
  let word = load_u32(column(3u + array) + row * 3u);
  return vec3f((vec3u(word) >> vec3u(0u, 8u, 16u)) & vec3u(255u));
}

fn spz_is_drawable(row: u32) -> bool {
  if (column(0u) > 1u) {
    return true;
  }
  let first = column(3u) + row * 6u;
  let halves = vec2u(load_u32(first), load_u32(first + 4u) & 0xffffu);
  let exponents = vec3u(halves.x, halves.x >> 16u, halves.y) & vec3u(0x7c00u);
  return all(exponents != vec3u(0x7c00u));
}

fn spz_position(row: u32) -> vec3f {
  if (column(0u) == 1u) {
    let first = column(3u) + row * 6u;
    return vec3f(unpack2x16float(load_u32(first)), unpack2x16float(load_u32(first + 4u)).x);
  }
  let first = column(3u) + row * 9u;
  let words = vec3u(load_u32(first), load_u32(first + 3u), load_u32(first + 6u));
  return vec3f(bitcast<vec3i>(words << vec3u(8u)) >> vec3u(8u)) / f32(1u << column(1u));
}

// Value of a field of nine bits of magnitude below a sign.
fn spz_signed(field: u32) -> f32 {
  let magnitude = f32(field & 511u) * (SQRT_HALF / 511.0);
  return select(magnitude, -magnitude, (field & 512u) != 0u);
}

fn spz_rotation(row: u32) -> vec4f {
  if (column(0u) < 3u) {
    let xyz = spz_bytes(4u, row) / 127.5 - 1.0;
    return vec4f(sqrt(max(0.0, 1.0 - dot(xyz, xyz))), xyz);
  }
  let word = load_u32(column(7u) + row * 4u);
  let three = vec3f(spz_signed(word >> 20u), spz_signed(word >> 10u), spz_signed(word));
  return with_largest(word >> 30u, three).wxyz;
}

fn spz_shape(row: u32) -> Shape {
  return Shape(
    spz_bytes(3u, row) / 16.0 - 10.0,
    spz_rotation(row),
    f32(load_u8(column(4u) + row)) / 255.0,
    (spz_bytes(2u, row) / 255.0 - 0.5) / 0.15 * SH_C0 + 0.5,
  );
}

fn spz_sh(row: u32, coefficient: u32, channel: u32) -> f32 {
  let byte = column(8u) + row * column(2u) + coefficient * 3u + channel;
  return (f32(load_u8(byte)) - 128.0) / 128.0;
}
