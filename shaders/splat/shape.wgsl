// A splat's shape on the canvas: what the draws of splats share.
// Needs: SPLAT_VERTICES.

// #struct Frame Splat

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> splats: array<Splat>;
@group(0) @binding(2) var<storage, read> order: array<u32>;

const LOG2_255: f32 = 7.99435344;

struct Shape {
  position: vec4f,
  offset: vec2f, // alpha = 2^(log2 opacity - |offset|²)
  color: vec4f, // r, g, b, log2 opacity
}

// Corner of the shape around the unit circle.
fn corner_of(vertex: u32) -> vec2f {
  if (SPLAT_VERTICES == 3u) {
    return vec2f((f32(vertex) - 1.0) * 1.7320508, select(-1.0, 2.0, vertex == 1u));
  }
  let strip = select(vertex, vertex - 2u, vertex > 2u); // 0 1 2, 1 2 3
  return vec2f(f32(strip & 1u), f32(strip >> 1u)) * 2.0 - 1.0;
}

fn shape_of(vertex: u32) -> Shape {
  let splat = splats[order[vertex / SPLAT_VERTICES]];
  let corner = corner_of(vertex % SPLAT_VERTICES);
  let major = unpack2x16float(splat.axes.x);
  let minor = unpack2x16float(splat.axes.y);
  let center = splat.center_px + major * corner.x + minor * corner.y;
  let blue_opacity = unpack2x16float(splat.color.y);
  let ndc = center / frame.viewport_px * 2.0 - 1.0;
  return Shape(
    vec4f(ndc.x, -ndc.y, 0.5, 1.0),
    corner * sqrt(max(blue_opacity.y + LOG2_255, 0.0)),
    vec4f(unpack2x16float(splat.color.x), blue_opacity),
  );
}

// log2 of a splat's alpha at an offset, before it is kept under 0.99; nothing below -LOG2_255.
fn exponent_of(offset: vec2f, log2_opacity: f32) -> f32 {
  return log2_opacity - dot(offset, offset);
}
