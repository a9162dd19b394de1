// Rows of a PlayCanvas compressed PLY. Oracle: pybuild/formats/compressed_ply.py, which draws them.
// Columns: first byte and row's bytes of chunks, vertices and harmonics; whether there are colour
//   bounds; the byte in its row of each bound (18), code (4) and coefficient (45).

const CHUNK_BOUNDS: u32 = 7u;
const VERTEX_CODES: u32 = 25u;
const SH_BYTES: u32 = 29u;

// Bits of one of the 18 bounds of a row's chunk.
fn bound_bits(row: u32, bound: u32) -> u32 {
  return load_u32(column(0u) + row / 256u * column(1u) + column(CHUNK_BOUNDS + bound));
}

fn bound_vec3(row: u32, bound: u32) -> vec3f {
  return vec3f(
    finite(bound_bits(row, bound)),
    finite(bound_bits(row, bound + 1u)),
    finite(bound_bits(row, bound + 2u)),
  );
}

fn vertex_code(row: u32, code: u32) -> u32 {
  return load_u32(column(2u) + row * column(3u) + column(VERTEX_CODES + code));
}

// A point between the bounds that start at `bound`, by a code of 11, 10, 11 bits.
fn between(row: u32, bound: u32, code: u32) -> vec3f {
  let steps = vec3f(vec3u(code >> 21u, (code >> 11u) & 1023u, code & 2047u));
  let t = steps / vec3f(2047.0, 1023.0, 2047.0);
  return bound_vec3(row, bound) * (1.0 - t) + bound_vec3(row, bound + 3u) * t;
}

fn compressed_ply_position(row: u32) -> vec3f {
  return between(row, 0u, vertex_code(row, 0u));
}

fn compressed_ply_is_drawable(row: u32) -> bool {
  var good = true;
  let bounds = select(12u, 18u, column(6u) == 1u);
  for (var bound = 0u; bound < bounds; bound++) {
    good &= is_finite(bound_bits(row, bound));
  }
  return good && all(between(row, 6u, vertex_code(row, 2u)) < vec3f(LOG_SCALE_LIMIT));
}

fn compressed_ply_shape(row: u32) -> Shape {
  let color = vertex_code(row, 3u);
  let t = vec3f((vec3u(color) >> vec3u(24u, 16u, 8u)) & vec3u(255u)) / 255.0;
  var rgb = t;
  if (column(6u) == 1u) {
    rgb = bound_vec3(row, 12u) * (1.0 - t) + bound_vec3(row, 15u) * t;
  }
  let rotation = vertex_code(row, 1u);
  let steps = vec3f((vec3u(rotation) >> vec3u(20u, 10u, 0u)) & vec3u(1023u));
  return Shape(
    between(row, 6u, vertex_code(row, 2u)),
    with_largest(rotation >> 30u, (steps / 1023.0 - 0.5) * (2.0 * SQRT_HALF)),
    f32(color & 255u) / 255.0,
    rgb,
  );
}

fn compressed_ply_sh(row: u32, coefficient: u32, channel: u32) -> f32 {
  let place = column(SH_BYTES + channel * SH_COEFFICIENTS + coefficient);
  let byte = load_u8(column(4u) + row * column(5u) + place);
  let centre = (f32(byte) + 0.5) / 256.0;
  let unit = select(select(centre, 1.0, byte == 255u), 0.0, byte == 0u);
  return (unit - 0.5) * 8.0;
}
