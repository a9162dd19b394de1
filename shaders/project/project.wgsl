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

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> chunks: array<ChunkBox>;
@group(0) @binding(2) var<storage, read> geometry: array<vec4u>;
@group(0) @binding(3) var<storage, read> color: array<u32>;
@group(0) @binding(4) var<storage, read> sh: array<u32>;
@group(0) @binding(5) var<storage, read_write> splats: array<Splat>;
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;
@group(0) @binding(7) var<storage, read_write> chunk_live: array<u32>;

// #include "project/sh.wgsl"
// #include "project/packed_row.wgsl"

fn view_rotation() -> mat3x3f {
  return mat3x3f(frame.view[0].xyz, frame.view[1].xyz, frame.view[2].xyz);
}

fn chunk_is_outside(box: ChunkBox) -> bool {
  let half_size = box.position_step.xyz * 32767.5;
  let center = (frame.view * vec4f(box.position_min.xyz + half_size, 1.0)).xyz;
  return is_off_canvas(center, half_size, view_rotation(), box.color_min.w);
}

fn project(index: u32, box: ChunkBox) -> Projection {
  var result: Projection;
  result.visible = false;
  let words = geometry[index];
  let pos_world = position_of(words, box);
  let pos_view = (frame.view * vec4f(pos_world, 1.0)).xyz;
  let opacity_code = (words.y >> 16u) & 255u;
  if (pos_view.z <= NEAR || opacity_code == 0u) {
    return result;
  }
  let opacity = f32(opacity_code) / 255.0;
  let antialiased = frame.antialiased != 0u;
  let ellipse = ellipse_of(words, box, pos_view, view_rotation(), opacity, antialiased);
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
