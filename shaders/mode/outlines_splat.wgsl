// Purpose: the mode `outlines`: of each splat a ring along the edge of its ellipse, where alpha falls
//   under 1/255.
// Inputs: those of splat/splat.wgsl. Output: premultiplied colour and coverage of the ring, as opaque as
//   the splat is in its middle.
// Draw: as splat/splat.wgsl. Constants: RING_PX, the ring's width.
// Method: u is 0 in the middle and 1 at the edge; (1 - u) over the length of its slope is how many
//   pixels inside the edge a pixel lies.

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
  let along_x = dpdx(in.offset);
  let along_y = dpdy(in.offset);
  if (exponent_of(in.offset, in.color.w) < -LOG2_255) {
    discard;
  }
  let radius = max(length(in.offset), 1e-4);
  let slope = length(vec2f(dot(in.offset, along_x), dot(in.offset, along_y))) / radius;
  let inside_px = (sqrt(max(in.color.w + LOG2_255, 0.0)) - radius) / max(slope, 1e-9);
  let alpha = min(0.99, exp2(in.color.w)) * clamp(RING_PX - inside_px, 0.0, 1.0);
  return vec4f(in.color.rgb * alpha, alpha);
}
