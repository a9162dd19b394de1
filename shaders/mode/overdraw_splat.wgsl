// Purpose: draw the sorted splats and count, beside them, how many are blended into each pixel.
// Inputs: those of splat/splat.wgsl. Output: premultiplied colour and coverage; and (1, 0, 0, 0), which
//   the same blending adds up, for its alpha stays 0.
// Draw: as splat/splat.wgsl.

// #include "splat/shape.wgsl"

struct Varying {
  @builtin(position) position: vec4f,
  @location(0) offset: vec2f,
  @location(1) @interpolate(flat) color: vec4f,
}

struct Texels {
  @location(0) color: vec4f,
  @location(1) count: vec4f,
}

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> Varying {
  let shape = shape_of(vertex);
  return Varying(shape.position, shape.offset, shape.color);
}

@fragment
fn fragment_main(in: Varying) -> Texels {
  let exponent = exponent_of(in.offset, in.color.w);
  if (exponent < -LOG2_255) {
    discard;
  }
  let alpha = min(0.99, exp2(exponent));
  return Texels(vec4f(in.color.rgb * alpha, alpha), vec4f(1.0, 0.0, 0.0, 0.0));
}
