// Purpose: the mode `depth`: expected depth along the camera's axis as a colour, near ones bright.
// Inputs: `depth`, (z * alpha, 0, 0, alpha) blended, world units. Output: opaque colour.
// Draw: one triangle. Constants: HALF_DEPTH, world units: what lies so deep has the middle of the map.
// Method: 1 / (1 + (z / HALF_DEPTH)³), which is 1 at the camera and 0 at infinity, so that no range has
//   to be found: the colour of a depth is the same in every frame. The power spends most of the map
//   between half and twice HALF_DEPTH.

// #struct Frame
// #include "mode/map.wgsl"
// #include "mode/screen.wgsl"

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var depth: texture_2d<f32>;

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  return screen_corner(vertex);
}

@fragment
fn fragment_main(@builtin(position) position: vec4f) -> @location(0) vec4f {
  let texel = textureLoad(depth, vec2u(position.xy), 0);
  let z = texel.x / max(texel.w, 1e-6);
  let share = z / HALF_DEPTH;
  let color = cubehelix(1.0 / (1.0 + share * share * share));
  return vec4f(mix(frame.background.rgb, color, min(texel.w, 1.0)), 1.0);
}
