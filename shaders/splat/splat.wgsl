// Purpose: draw the sorted splats, nearest first.
// Inputs: `order` (rows of `splats`, nearest first), Splat rows, Frame.
// Output: premultiplied colour and coverage; blended under what is already there.
// Draw: a list of SPLAT_VERTICES a splat, not instanced, indirect. 6: a quad that touches the
//   ellipse; 3: a triangle around it, which covers 30 % more but is half the set-up: software
//   rasterisers pay for triangles and vertices first.
// Source: alpha = min(0.99, opacity * exp(-q / 2)), nothing under 1/255 (INRIA rasteriser).

// #struct Frame Splat

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> splats: array<Splat>;
@group(0) @binding(2) var<storage, read> order: array<u32>;

const LOG2_255: f32 = 7.99435344;

struct Varying {
  @builtin(position) position: vec4f,
  @location(0) offset: vec2f, // alpha = 2^(log2 opacity - |offset|²)
  @location(1) @interpolate(flat) color: vec4f, // r, g, b, log2 opacity
}

// Corner of the shape around the unit circle.
fn corner_of(vertex: u32) -> vec2f {
  if (SPLAT_VERTICES == 3u) {
    return vec2f((f32(vertex) - 1.0) * 1.7320508, select(-1.0, 2.0, vertex == 1u));
  }
  let strip = select(vertex, vertex - 2u, vertex > 2u); // 0 1 2, 1 2 3
  return vec2f(f32(strip & 1u), f32(strip >> 1u)) * 2.0 - 1.0;
}

@vertex
fn vertex_main(
  @builtin(vertex_index) vertex: u32,
) -> Varying {
  let splat = splats[order[vertex / SPLAT_VERTICES]];
  let corner = corner_of(vertex % SPLAT_VERTICES);
  let major = unpack2x16float(splat.axes.x);
  let minor = unpack2x16float(splat.axes.y);
  let center = splat.center_px + major * corner.x + minor * corner.y;
  let blue_opacity = unpack2x16float(splat.color.y);
  let ndc = center / frame.viewport_px * 2.0 - 1.0;
  var out: Varying;
  out.position = vec4f(ndc.x, -ndc.y, 0.5, 1.0);
  out.offset = corner * sqrt(max(blue_opacity.y + LOG2_255, 0.0));
  out.color = vec4f(unpack2x16float(splat.color.x), blue_opacity);
  return out;
}

@fragment
fn fragment_main(in: Varying) -> @location(0) vec4f {
  let exponent = in.color.w - dot(in.offset, in.offset);
  if (exponent < -LOG2_255) {
    discard;
  }
  let alpha = min(0.99, exp2(exponent));
  return vec4f(in.color.rgb * alpha, alpha);
}
