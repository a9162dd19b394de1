// Purpose: a filtered image to the canvas, beside or mixed with the splats as they are.
// Inputs: `image`, premultiplied colour and coverage, of render_px; `filtered`, of output_px (see
//   filtered.wgsl). Output: opaque display-referred colour.
// Draw: two, a part of the canvas each, one of them empty unless the canvas is split. A processor
//   computes both sides of a condition, so that neither has more to do than its part needs.
//     ALONE   right of the split, where the filter's pixels are the canvas's and its strength is 1
//     other   the rest: both images, stretched bilinearly, left of the split the splats as they are
// A pixel of the filter that is no finite number is shown as it was.

// #struct FilterFrame

@group(0) @binding(0) var<uniform> shown: FilterFrame;
@group(0) @binding(1) var image: texture_2d<f32>;
@group(0) @binding(2) var<storage, read> filtered: array<u32>;

// #include "filter/filtered.wgsl"

const LINE_PX: f32 = 1.0; // half the width of the line between before and after

// Of the canvas's width, from and to.
fn part_of_canvas() -> vec2f {
  let is_alone = shown.strength >= 1.0 && all(shown.output_px == shown.canvas_px);
  let alone_from = select(1.0, shown.split, is_alone);
  return select(vec2f(0.0, alone_from), vec2f(alone_from, 1.0), ALONE);
}

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  // two triangles of a rectangle: 00 10 01 and 01 10 11
  let right = ((0x32u >> vertex) & 1u) == 1u;
  let top = f32((0x2cu >> vertex) & 1u);
  let part = part_of_canvas();
  return vec4f(2.0 * select(part.x, part.y, right) - 1.0, 2.0 * top - 1.0, 0.5, 1.0);
}

// One texel of the splats' image, over the background.
fn plain_at(place: vec2i) -> vec3f {
  let splats = textureLoad(image, place, 0);
  return splats.rgb + (1.0 - splats.a) * shown.background.rgb;
}

fn filtered_at(place: vec2i) -> Pixel {
  return pixel_at(u32(place.y * i32(shown.output_px.x) + place.x));
}

struct Corners {
  low: vec2i,
  high: vec2i,
  share: vec2f, // of the high ones
}

// The four pixels around a place of the canvas, of an image that is stretched over it.
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

fn bilinear(at: Corners, a: vec3f, b: vec3f, c: vec3f, d: vec3f) -> vec3f {
  return mix(mix(a, b, at.share.x), mix(c, d, at.share.x), at.share.y);
}

fn plain(position: vec2f) -> vec3f {
  let at = corners_of(position, shown.render_px);
  return bilinear(
    at,
    plain_at(at.low),
    plain_at(vec2i(at.high.x, at.low.y)),
    plain_at(vec2i(at.low.x, at.high.y)),
    plain_at(at.high),
  );
}

fn after(position: vec2f) -> Pixel {
  let at = corners_of(position, shown.output_px);
  let a = filtered_at(at.low);
  let b = filtered_at(vec2i(at.high.x, at.low.y));
  let c = filtered_at(vec2i(at.low.x, at.high.y));
  let d = filtered_at(at.high);
  let is_finite = a.is_finite && b.is_finite && c.is_finite && d.is_finite;
  return Pixel(bilinear(at, a.rgb, b.rgb, c.rgb, d.rgb), is_finite);
}

fn color_at(position: vec2f, edge_px: f32) -> vec3f {
  if (ALONE) {
    let made = filtered_at(vec2i(position));
    // the nearest texel: a processor loads it for every pixel
    let nearest = vec2i(position / shown.canvas_px * shown.render_px);
    return select(plain_at(nearest), made.rgb, made.is_finite);
  }
  let made = after(position);
  let before = plain(position);
  let is_shown = made.is_finite && position.x >= edge_px;
  return select(before, mix(before, made.rgb, shown.strength), is_shown);
}

@fragment
fn fragment_main(@builtin(position) position: vec4f) -> @location(0) vec4f {
  let edge_px = shown.split * shown.canvas_px.x;
  let is_split = shown.split > 0.0 && shown.split < 1.0;
  let is_line = is_split && abs(position.x - edge_px) <= LINE_PX;
  return vec4f(select(color_at(position.xy, edge_px), vec3f(1.0), is_line), 1.0);
}
