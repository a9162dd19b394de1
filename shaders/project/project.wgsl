// Purpose: cull the Gaussians of a chunk, project the survivors, colour them, make their sort keys.
// Inputs: packed Gaussians (unpack.wgsl draws the layout), chunk boxes, Frame.
// Outputs: `splats` and `keys`, row for row; a Gaussian that is not drawn has DEAD_KEY.
//   `chunk_live[c]` is 0 where the whole chunk is out of sight: its rows are stale.
// Dispatch: one workgroup a chunk, over x then y. Workgroup: CHUNK_SIZE = 256.
// Constants: CHUNK_SIZE, ANTIALIASED, SH_DEGREE, SH_WORDS.
// Source: EWA splatting (Zwicker et al. 2001) with the INRIA rasteriser's semantics; the oracle is
//   pybuild/reference.py. The sort's first pass compacts, in order, so equal keys never flicker.
//   No barrier on purpose: with one, SwiftShader spills every variable and takes five times as long.

// #struct Frame ChunkBox Splat
// #include "project/unpack.wgsl"

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> chunks: array<ChunkBox>;
@group(0) @binding(2) var<storage, read> geometry: array<vec4u>;
@group(0) @binding(3) var<storage, read> color: array<u32>;
@group(0) @binding(4) var<storage, read> sh: array<u32>;
@group(0) @binding(5) var<storage, read_write> splats: array<Splat>;
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;
@group(0) @binding(7) var<storage, read_write> chunk_live: array<u32>;

// #include "project/sh.wgsl"

const DEAD_KEY: u32 = 0xffffffffu;
const NEAR: f32 = 0.2; // world units; nearer centres are not drawn
const LOG2_255: f32 = 7.99435344;
const LN_2: f32 = 0.69314718;
const DILATION_PX2: f32 = select(0.3, 0.1, ANTIALIASED);

// True when no centre of the chunk can put a pixel on the canvas. Conservative: the footprint of a
// splat is bounded by its largest radius times the largest stretch that the clamped Jacobian allows.
fn chunk_is_outside(box: ChunkBox) -> bool {
  let half_size = box.position_step.xyz * 32767.5;
  let center = (frame.view * vec4f(box.position_min.xyz + half_size, 1.0)).xyz;
  let extent = vec3f(
    dot(abs(vec3f(frame.view[0].x, frame.view[1].x, frame.view[2].x)), half_size),
    dot(abs(vec3f(frame.view[0].y, frame.view[1].y, frame.view[2].y)), half_size),
    dot(abs(vec3f(frame.view[0].z, frame.view[1].z, frame.view[2].z)), half_size),
  ) * 1.0001;
  let z_max = center.z + extent.z;
  if (z_max <= NEAR) {
    return true;
  }
  let stretch = sqrt(vec2f(1.0) + frame.tangent_limit * frame.tangent_limit);
  let reach = extent.xy + box.color_min.w * frame.splat_scale * stretch;
  let low = (frame.principal_px + 2.0) / frame.focal_px;
  let high = (frame.viewport_px - frame.principal_px + 2.0) / frame.focal_px;
  let beyond_low = -center.xy - reach > max(low * z_max, low * NEAR);
  let beyond_high = center.xy - reach > max(high * z_max, high * NEAR);
  return any(beyond_low) || any(beyond_high);
}

struct Projection {
  visible: bool,
  depth: f32,
  splat: Splat,
}

fn project(index: u32, box: ChunkBox) -> Projection {
  var result: Projection;
  result.visible = false;
  let words = geometry[index];
  let steps = vec3f(f32(words.x & 0xffffu), f32(words.x >> 16u), f32(words.y & 0xffffu));
  let pos_world = box.position_min.xyz + steps * box.position_step.xyz;
  let pos_view = (frame.view * vec4f(pos_world, 1.0)).xyz;
  let opacity_code = (words.y >> 16u) & 255u;
  if (pos_view.z <= NEAR || opacity_code == 0u) {
    return result;
  }

  // Covariance on the image: J W R S S^T R^T W^T J^T, as the columns of J W R S.
  let log_scale = box.position_min.w
    + unpack_11_11_10(words.w) * box.position_step.w * vec3f(1.0, 1.0, 2047.0 / 1023.0);
  let sigma = exp(log_scale) * frame.splat_scale;
  let view_rotation = mat3x3f(frame.view[0].xyz, frame.view[1].xyz, frame.view[2].xyz);
  let axes_view = view_rotation * unpack_rotation(words.z);
  let tangent = clamp(pos_view.xy / pos_view.z, -frame.tangent_limit, frame.tangent_limit);
  let px_per_unit = frame.focal_px / pos_view.z;
  let u = px_per_unit * (axes_view[0].xy - tangent * axes_view[0].z) * sigma.x;
  let v = px_per_unit * (axes_view[1].xy - tangent * axes_view[1].z) * sigma.y;
  let w = px_per_unit * (axes_view[2].xy - tangent * axes_view[2].z) * sigma.z;
  // xx, xy, yy in px²
  let variance = u.xxy * u.xyy + v.xxy * v.xyy + w.xxy * w.xyy;
  let blurred = variance + vec3f(DILATION_PX2, 0.0, DILATION_PX2);
  // Determinants as sums of squares (Cauchy-Binet): xx * zz - xy² has no digit left of a needle.
  let areas = vec3f(u.x * v.y - u.y * v.x, v.x * w.y - v.y * w.x, w.x * u.y - w.y * u.x);
  let sharp_det = dot(areas, areas);
  let det = sharp_det + DILATION_PX2 * (variance.x + variance.z + DILATION_PX2);
  var log2_opacity = log2(f32(opacity_code) / 255.0);
  if (ANTIALIASED) {
    log2_opacity += 0.5 * log2(max(sharp_det / det, 1e-12));
  }
  let log2_gain = log2_opacity + LOG2_255; // alpha reaches 1/255 at q = 2 ln 2 * this
  if (!(log2_gain > 0.0)) {
    return result;
  }

  // Exact bounding box of the ellipse alpha = 1/255; it must hold a pixel centre of the canvas.
  let radius2 = 2.0 * LN_2 * log2_gain;
  let center_px = pos_view.xy * px_per_unit + frame.principal_px;
  let reach_px = sqrt(radius2 * blurred.xz);
  let first = max(ceil(center_px - reach_px - 0.5), vec2f(0.0));
  let last = min(floor(center_px + reach_px - 0.5), frame.viewport_px - 1.0);
  if (!all(first <= last)) {
    return result;
  }

  // Eigenvectors of the covariance, scaled to the edge of that ellipse.
  let middle = 0.5 * (blurred.x + blurred.z);
  let spread = length(vec2f(0.5 * (blurred.x - blurred.z), blurred.y));
  let major2 = middle + spread;
  let minor2 = det / major2;
  var direction = vec2f(blurred.y, major2 - blurred.x);
  if (blurred.x > blurred.z) {
    direction = vec2f(major2 - blurred.z, blurred.y);
  }
  let direction_length = length(direction);
  direction = select(vec2f(1.0, 0.0), direction / direction_length, direction_length > 1e-6);
  let major = min(sqrt(radius2 * major2), 60000.0) * direction;
  let minor = min(sqrt(radius2 * minor2), 60000.0) * vec2f(-direction.y, direction.x);

  var rgb = box.color_min.xyz + unpack_11_11_10(color[index]) * box.color_step.xyz;
  let sh_code = words.y >> 24u;
  if (SH_DEGREE > 0u && sh_code > 0u && frame.sh_degree > 0u) {
    let towards = normalize(pos_world - frame.camera_position.xyz);
    rgb += unpack_sh_scale(sh_code) * evaluate_sh(index, frame.sh_degree, towards);
  }
  rgb = clamp(rgb, vec3f(0.0), vec3f(1000.0));

  result.visible = true;
  result.depth = pos_view.z;
  result.splat = Splat(
    center_px,
    vec2u(pack2x16float(major), pack2x16float(minor)),
    vec2u(pack2x16float(rgb.xy), pack2x16float(vec2f(rgb.z, log2_opacity))),
  );
  return result;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup.y * workgroups.x + workgroup.x;
  if (chunk >= frame.chunk_count) {
    return;
  }
  let box = chunks[chunk];
  if (chunk_is_outside(box)) {
    if (lane == 0u) {
      chunk_live[chunk] = 0u;
    }
    return;
  }

  if (lane == 0u) {
    chunk_live[chunk] = 1u;
  }
  let index = chunk * CHUNK_SIZE + lane;
  let projection = project(index, box);
  var key = DEAD_KEY;
  if (projection.visible) {
    splats[index] = projection.splat;
    let octaves = log2(projection.depth / frame.key_near);
    key = u32(clamp(octaves * frame.key_scale, 0.0, frame.key_max));
  }
  keys[index] = key;
}
