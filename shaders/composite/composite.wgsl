// Purpose: the splats over the background, to the canvas.
// Inputs: `image`, premultiplied colour and coverage. Output: display-referred colour, premultiplied;
//   opaque where there is a background.
// Draw: one triangle that covers the canvas.

// #struct Frame

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var image: texture_2d<f32>;

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  let corner = vec2f(f32(vertex & 1u), f32(vertex >> 1u));
  return vec4f(corner * 4.0 - 1.0, 0.5, 1.0);
}

@fragment
fn fragment_main(@builtin(position) position: vec4f) -> @location(0) vec4f {
  let splats = textureLoad(image, vec2u(position.xy), 0);
  let behind = (1.0 - splats.a) * frame.background.w;
  return vec4f(splats.rgb + behind * frame.background.rgb, splats.a + behind);
}
