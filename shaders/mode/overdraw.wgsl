// Purpose: the mode `overdraw`: how many splats were blended into each pixel, as heat.
// Inputs: `counts`, splats in the first channel. Output: opaque colour: black for none, then red,
//   yellow, and white for MOST or more; each doubling is one step of eight.
// Draw: one triangle. Constants: MOST, splats a pixel.

// #include "mode/map.wgsl"
// #include "mode/screen.wgsl"

@group(0) @binding(0) var counts: texture_2d<f32>;

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  return screen_corner(vertex);
}

@fragment
fn fragment_main(@builtin(position) position: vec4f) -> @location(0) vec4f {
  let count = textureLoad(counts, vec2u(position.xy), 0).x;
  return vec4f(heat(min(log2(1.0 + count) / log2(1.0 + MOST), 1.0)), 1.0);
}
