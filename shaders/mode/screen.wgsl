// A triangle that covers the canvas: its corner of a number.

fn screen_corner(vertex: u32) -> vec4f {
  let corner = vec2f(f32(vertex & 1u), f32(vertex >> 1u));
  return vec4f(corner * 4.0 - 1.0, 0.5, 1.0);
}
