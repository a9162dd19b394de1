// Purpose: what onnxruntime-web needs around it: an image to its input, and its output to a canvas.
// Inputs: `image`, opaque display-referred colour, of width x height; `splats`, whose alpha is their
//   coverage. Tensors are planes of rows.
// Dispatch of `fill`: a thread a pixel, 8 x 8 a workgroup. Draw: one triangle that covers the canvas.

override width: u32; // of the image that is read or shown, pixels
override height: u32;
override channels: u32 = 3; // of the input: 4 with coverage
override scale_r: f32;
override scale_g: f32;
override scale_b: f32;
override offset_r: f32;
override offset_g: f32;
override offset_b: f32;

@group(0) @binding(0) var image: texture_2d<f32>;
@group(0) @binding(1) var<storage, read_write> filled: array<f32>;
@group(0) @binding(2) var<storage, read> shown: array<f32>;
@group(0) @binding(3) var splats: texture_2d<f32>;

@compute @workgroup_size(8, 8)
fn fill(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= width || id.y >= height) {
    return;
  }
  let color = textureLoad(image, id.xy, 0).rgb;
  let at = id.y * width + id.x;
  filled[at] = color.r * scale_r + offset_r;
  filled[at + width * height] = color.g * scale_g + offset_g;
  filled[at + 2 * width * height] = color.b * scale_b + offset_b;
  if (channels == 4) {
    filled[at + 3 * width * height] = textureLoad(splats, id.xy, 0).a;
  }
}

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  let corner = vec2f(f32(vertex & 1u), f32(vertex >> 1u));
  return vec4f(corner * 4.0 - 1.0, 0.5, 1.0);
}

@fragment
fn show(@builtin(position) position: vec4f) -> @location(0) vec4f {
  let at = u32(position.y) * width + u32(position.x);
  let made = vec3f(shown[at], shown[at + width * height], shown[at + 2 * width * height]);
  let color = (made - vec3f(offset_r, offset_g, offset_b)) / vec3f(scale_r, scale_g, scale_b);
  return vec4f(clamp(color, vec3f(0.0), vec3f(1.0)), 1.0);
}
