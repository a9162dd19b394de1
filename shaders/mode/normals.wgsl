// Purpose: the mode `normals`: which way the surface of the expected depth looks, in the camera's axes.
// Inputs: `depth`, (z * alpha, 0, 0, alpha) blended, world units. Output: opaque colour: red right,
//   green up, blue towards the camera; 0.5 is 0.
// Draw: one triangle. Constants: REACH, pixels to the neighbours that are compared.
// Method: the pixel and its neighbours back in space; of left and right, and of above and below, the
//   one that is nearer in depth, so that an edge does not tilt what lies before it.

// #struct Frame
// #include "mode/screen.wgsl"

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var depth: texture_2d<f32>;

const SEEN: f32 = 0.05; // coverage under which a pixel says nothing of a surface
const FAR: f32 = 1e30;

// In the camera's space; z is 0 where nothing is seen.
fn surface(pixel: vec2i) -> vec3f {
  if (any(pixel < vec2i(0)) || any(pixel >= vec2i(frame.viewport_px))) {
    return vec3f(0.0);
  }
  let texel = textureLoad(depth, pixel, 0);
  if (texel.w < SEEN) {
    return vec3f(0.0);
  }
  let z = texel.x / texel.w;
  return vec3f((vec2f(pixel) + 0.5 - frame.principal_px) / frame.focal_px * z, z);
}

// From the middle to the neighbour ahead, or from the one behind to the middle; 0 for neither.
fn slope(middle: vec3f, pixel: vec2i, step: vec2i) -> vec3f {
  let ahead = surface(pixel + step);
  let behind = surface(pixel - step);
  let rise = select(FAR, abs(ahead.z - middle.z), ahead.z > 0.0);
  let fall = select(FAR, abs(middle.z - behind.z), behind.z > 0.0);
  if (rise >= FAR && fall >= FAR) {
    return vec3f(0.0);
  }
  return select(middle - behind, ahead - middle, rise <= fall);
}

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  return screen_corner(vertex);
}

@fragment
fn fragment_main(@builtin(position) position: vec4f) -> @location(0) vec4f {
  let pixel = vec2i(position.xy);
  let coverage = min(textureLoad(depth, pixel, 0).w, 1.0);
  let middle = surface(pixel);
  let reach = i32(REACH);
  let across = slope(middle, pixel, vec2i(reach, 0));
  let normal = cross(slope(middle, pixel, vec2i(0, reach)), across);
  let size = length(normal);
  if (middle.z <= 0.0 || size <= 0.0) {
    return vec4f(frame.background.rgb, 1.0);
  }
  let facing = select(normal, -normal, dot(normal, middle) > 0.0) / size;
  let color = facing * vec3f(0.5, -0.5, -0.5) + 0.5;
  return vec4f(mix(frame.background.rgb, color, coverage), 1.0);
}
