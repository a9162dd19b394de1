// Purpose: draw the sorted splats and, beside them, how deep they lie: for filters that ask for depth.
// Inputs: those of splat/splat.wgsl; `sorted`, the key of each place in `order`.
// Output: premultiplied colour and coverage; and (z * alpha, 0, 0, alpha) in world units along the
//   camera's axis, blended alike, so that the quotient is the expected depth.
// Draw: as splat/splat.wgsl.

// #include "splat/shape.wgsl"

@group(0) @binding(3) var<storage, read> sorted: array<u32>;

struct Varying {
  @builtin(position) position: vec4f,
  @location(0) offset: vec2f,
  @location(1) @interpolate(flat) color: vec4f,
  @location(2) @interpolate(flat) depth: f32,
}

struct Texels {
  @location(0) color: vec4f,
  @location(1) depth: vec4f,
}

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> Varying {
  let shape = shape_of(vertex);
  // the key says the depth to 1 part in 3,000 or better: key = key_scale * log2(z / key_near)
  let key = f32(sorted[vertex / SPLAT_VERTICES]) + 0.5;
  let depth = frame.key_near * exp2(key / frame.key_scale);
  return Varying(shape.position, shape.offset, shape.color, depth);
}

@fragment
fn fragment_main(in: Varying) -> Texels {
  let exponent = exponent_of(in.offset, in.color.w);
  if (exponent < -LOG2_255) {
    discard;
  }
  let alpha = min(0.99, exp2(exponent));
  return Texels(vec4f(in.color.rgb * alpha, alpha), vec4f(in.depth * alpha, 0.0, 0.0, alpha));
}
