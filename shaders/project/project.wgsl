// Purpose: cull the Gaussians of a chunk, project the survivors, colour them, make their sort keys.
// Inputs: packed Gaussians (unpack.wgsl draws the layout), chunk boxes, Frame.
// Outputs: `splats` and `keys`, row for row; a Gaussian that is not drawn has DEAD_KEY.
//   `chunk_live[c]` is 0 where the whole chunk is out of sight: its rows are stale.
// Dispatch: one workgroup a chunk, over x then y. Workgroup: CHUNK_SIZE = 256.
// Constants: CHUNK_SIZE, SH_DEGREE, SH_WORDS.
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

// #include "project/footprint.wgsl"

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
  // Determinants as sums of squares (Cauchy-Binet): xx * zz - xy² has no digit left of a needle.
  let areas = vec3f(u.x * v.y - u.y * v.x, v.x * w.y - v.y * w.x, w.x * u.y - w.y * u.x);
  let sharp_det = dot(areas, areas);
  let ellipse = footprint_of(
    pos_view, variance, sharp_det, f32(opacity_code) / 255.0, frame.antialiased != 0u);
  if (!ellipse.visible) {
    return result;
  }

  var rgb = box.color_min.xyz + unpack_11_11_10(color[index]) * box.color_step.xyz;
  let sh_code = words.y >> 24u;
  if (SH_DEGREE > 0u && sh_code > 0u && frame.sh_degree > 0u) {
    let towards = normalize(pos_world - frame.camera_position.xyz);
    rgb += unpack_sh_scale(sh_code) * evaluate_sh(index * SH_WORDS, frame.sh_degree, towards);
  }

  result.visible = true;
  result.depth = pos_view.z;
  result.splat = splat_of(ellipse, rgb);
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
    key = key_of(projection.depth);
  }
  keys[index] = key;
}
