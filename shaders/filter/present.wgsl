// Purpose: a filtered image to the canvas, beside or mixed with the splats as they are.
// Inputs: `image`, premultiplied colour and coverage, of render_px; `filtered`, rows of RGB as f32
//   bits, display-referred, of output_px. Output: opaque display-referred colour.
// Draw: one triangle that covers the canvas. Both images are stretched over it, bilinearly.
// A pixel of the filter that is no finite number is shown as it was.

// #struct FilterFrame

@group(0) @binding(0) var<uniform> shown: FilterFrame;
@group(0) @binding(1) var image: texture_2d<f32>;
@group(0) @binding(2) var<storage, read> filtered: array<u32>;

const LINE_PX: f32 = 1.0; // half the width of the line between before and after

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  let corner = vec2f(f32(vertex & 1u), f32(vertex >> 1u));
  return vec4f(corner * 4.0 - 1.0, 0.5, 1.0);
}

fn plain_at(x: i32, y: i32) -> vec3f {
  let splats = textureLoad(image, vec2i(x, y), 0);
  return splats.rgb + (1.0 - splats.a) * shown.background.rgb;
}

// NaN or infinity where the filter made one.
fn filtered_at(x: i32, y: i32) -> vec3f {
  let at = 3 * (y * i32(shown.output_px.x) + x);
  return bitcast<vec3f>(vec3u(filtered[at], filtered[at + 1], filtered[at + 2]));
}

fn is_finite(value: vec3f) -> bool {
  return all((bitcast<vec3u>(value) & vec3u(0x7f800000u)) != vec3u(0x7f800000u));
}

struct Corners {
  low: vec2i,
  high: vec2i,
  share: vec2f, // of the high ones
}

// The four texels around a place of the canvas, in an image that is stretched over it.
fn corners_of(position: vec2f, size: vec2f) -> Corners {
  let place = position / shown.canvas_px * size - 0.5;
  let first = floor(place);
  let last = vec2i(size) - 1;
  return Corners(
    clamp(vec2i(first), vec2i(0), last),
    clamp(vec2i(first) + 1, vec2i(0), last),
    place - first,
  );
}

fn plain(position: vec2f) -> vec3f {
  if (all(shown.render_px == shown.canvas_px)) {
    return plain_at(i32(position.x), i32(position.y));
  }
  let at = corners_of(position, shown.render_px);
  return mix(
    mix(plain_at(at.low.x, at.low.y), plain_at(at.high.x, at.low.y), at.share.x),
    mix(plain_at(at.low.x, at.high.y), plain_at(at.high.x, at.high.y), at.share.x),
    at.share.y,
  );
}

fn after(position: vec2f) -> vec3f {
  if (all(shown.output_px == shown.canvas_px)) {
    return filtered_at(i32(position.x), i32(position.y));
  }
  let at = corners_of(position, shown.output_px);
  return mix(
    mix(filtered_at(at.low.x, at.low.y), filtered_at(at.high.x, at.low.y), at.share.x),
    mix(filtered_at(at.low.x, at.high.y), filtered_at(at.high.x, at.high.y), at.share.x),
    at.share.y,
  );
}

@fragment
fn fragment_main(@builtin(position) position: vec4f) -> @location(0) vec4f {
  let edge = shown.split * shown.canvas_px.x;
  if (shown.split > 0.0 && shown.split < 1.0 && abs(position.x - edge) <= LINE_PX) {
    return vec4f(1.0);
  }
  if (position.x < edge || shown.strength <= 0.0) {
    return vec4f(plain(position.xy), 1.0);
  }
  let made = after(position.xy);
  if (!is_finite(made)) {
    return vec4f(plain(position.xy), 1.0);
  }
  let color = clamp(made, vec3f(0.0), vec3f(1.0));
  if (shown.strength >= 1.0) {
    return vec4f(color, 1.0);
  }
  return vec4f(mix(plain(position.xy), color, shown.strength), 1.0);
}
