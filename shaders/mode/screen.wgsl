// A triangle that covers the canvas.

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  let corner = vec2f(f32(vertex & 1u), f32(vertex >> 1u));
  return vec4f(corner * 4.0 - 1.0, 0.5, 1.0);
}
