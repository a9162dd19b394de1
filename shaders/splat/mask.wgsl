// Purpose: close the pixels that are opaque, so that the batches behind them are not shaded there.
// Inputs: `image`, the coverage so far. Output: depth 0 where the rest cannot show.
// Draw: one triangle that covers the canvas. Overdraw is the cost of splatting, and most of it lies
//   behind surfaces: 79 % of a captured guitar's fragments. The depth test, which GPUs do before
//   shading, skips them. pybuild/reference.py stops each pixel in the same sense.

@group(0) @binding(0) var image: texture_2d<f32>;

// What is left behind less than this cannot move an 8-bit value by half a step.
const OPAQUE: f32 = 1.0 - 1.0 / 512.0;

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  let corner = vec2f(f32(vertex & 1u), f32(vertex >> 1u));
  return vec4f(corner * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn fragment_main(@builtin(position) position: vec4f) {
  if (textureLoad(image, vec2u(position.xy), 0).a < OPAQUE) {
    discard;
  }
}
