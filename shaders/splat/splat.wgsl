// Purpose: draw the sorted splats, nearest first.
// Inputs: `order` (rows of `splats`, nearest first), Splat rows, Frame.
// Output: premultiplied colour and coverage; blended under what is already there.
// Draw: a list of SPLAT_VERTICES a splat, not instanced, indirect. 6: a quad that touches the
//   ellipse; 3: a triangle around it, which covers 30 % more but is half the set-up: software
//   rasterisers pay for triangles and vertices first.
// Source: alpha = min(0.99, opacity * exp(-q / 2)), nothing under 1/255 (INRIA rasteriser).

// #include "splat/shape.wgsl"

struct Varying {
  @builtin(position) position: vec4f,
  @location(0) offset: vec2f,
  @location(1) @interpolate(flat) color: vec4f,
}

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> Varying {
  let shape = shape_of(vertex);
  return Varying(shape.position, shape.offset, shape.color);
}

@fragment
fn fragment_main(in: Varying) -> @location(0) vec4f {
  let exponent = exponent_of(in.offset, in.color.w);
  if (exponent < -LOG2_255) {
    discard;
  }
  let alpha = min(0.99, exp2(exponent));
  return vec4f(in.color.rgb * alpha, alpha);
}
