// Purpose: as project.wgsl, of a scene of several objects, each in a space of its own: cull, project,
//   colour, sort keys.
// Inputs: packed Gaussians (unpack.wgsl draws the layout), chunk boxes, whose color_step.w is the
//   index of the chunk's object, `objects`, Frame. `geometry`, `color` and `sh` have the rows of one
//   file after those of the other, `sh` with the words of its own degree; objects of one file share
//   them.
// Outputs: `splats` and `keys`, row for row; a Gaussian that is not drawn has DEAD_KEY.
//   `chunk_live[c]` is 0 where the whole chunk is out of sight or its object hidden: its rows are
//   stale.
// Dispatch: one workgroup a chunk, over x then y. Workgroup: CHUNK_SIZE = 256.
// Constants: CHUNK_SIZE, CHUNKS, SH_DEGREE (the largest).
// Source: as project.wgsl, with the object's affine map before the view; the oracle is
//   pybuild/reference.py. A map that stretches unlike along its axes bends no ellipsoid: its linear
//   part enters the covariance like the view's. SH are looked up along the ray in the object's
//   space. No barrier, as there.

// #struct Frame ChunkBox Splat SceneObject

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> chunks: array<ChunkBox>;
@group(0) @binding(2) var<storage, read> geometry: array<vec4u>;
@group(0) @binding(3) var<storage, read> color: array<u32>;
@group(0) @binding(4) var<storage, read> sh: array<u32>;
@group(0) @binding(5) var<storage, read> objects: array<SceneObject>;
@group(0) @binding(6) var<storage, read_write> splats: array<Splat>;
@group(0) @binding(7) var<storage, read_write> keys: array<u32>;
@group(0) @binding(8) var<storage, read_write> chunk_live: array<u32>;

// #include "project/sh.wgsl"
// #include "project/packed_row.wgsl"

// From an object's space to the camera's.
struct ToView {
  linear: mat3x3f,
  offset: vec3f,
}

fn to_view_of(which: u32) -> ToView {
  let rotation = mat3x3f(frame.view[0].xyz, frame.view[1].xyz, frame.view[2].xyz);
  let x = objects[which].to_world[0].xyz;
  let y = objects[which].to_world[1].xyz;
  let z = objects[which].to_world[2].xyz;
  let origin = objects[which].to_world[3].xyz;
  return ToView(rotation * mat3x3f(x, y, z), rotation * origin + frame.view[3].xyz);
}

fn chunk_is_outside(box: ChunkBox, to_view: ToView, largest_scale: f32) -> bool {
  let half_size = box.position_step.xyz * 32767.5;
  let center = to_view.linear * (box.position_min.xyz + half_size) + to_view.offset;
  return is_off_canvas(center, half_size, to_view.linear, box.color_min.w * largest_scale);
}

fn project(index: u32, box: ChunkBox, which: u32, to_view: ToView) -> Projection {
  var result: Projection;
  result.visible = false;
  let row = index - objects[which].first_row;
  let source = objects[which].data_row + row;
  let words = geometry[source];
  let pos_object = position_of(words, box);
  let pos_view = to_view.linear * pos_object + to_view.offset;
  let tint = objects[which].tint;
  let opacity = f32((words.y >> 16u) & 255u) / 255.0 * tint.w;
  if (pos_view.z <= NEAR || !(opacity > 0.0)) {
    return result;
  }
  let antialiased = (frame.antialiased | objects[which].antialiased) != 0u;
  let ellipse = ellipse_of(words, box, pos_view, to_view.linear, opacity, antialiased);
  if (!ellipse.visible) {
    return result;
  }

  var rgb = box.color_min.xyz + unpack_11_11_10(color[source]) * box.color_step.xyz;
  let sh_code = words.y >> 24u;
  let degree = min(frame.sh_degree, objects[which].sh_degree);
  if (SH_DEGREE > 0u && sh_code > 0u && degree > 0u) {
    // The camera in the object's space: the ray's direction there is the difference.
    let eye = (objects[which].to_object * vec4f(frame.camera_position.xyz, 1.0)).xyz;
    let first = objects[which].sh_first + row * objects[which].sh_words;
    rgb += unpack_sh_scale(sh_code) * evaluate_sh(first, degree, normalize(pos_object - eye));
  }

  result.visible = true;
  result.depth = pos_view.z;
  result.splat = splat_of(ellipse, rgb * tint.xyz);
  return result;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup.y * workgroups.x + workgroup.x;
  if (chunk >= CHUNKS) {
    return;
  }
  let box = chunks[chunk];
  let which = u32(box.color_step.w);
  let to_view = to_view_of(which);
  if (objects[which].visible == 0u
    || chunk_is_outside(box, to_view, objects[which].largest_scale)) {
    if (lane == 0u) {
      chunk_live[chunk] = 0u;
    }
    return;
  }

  if (lane == 0u) {
    chunk_live[chunk] = 1u;
  }
  let index = chunk * CHUNK_SIZE + lane;
  let projection = project(index, box, which, to_view);
  var key = DEAD_KEY;
  if (projection.visible) {
    splats[index] = projection.splat;
    key = key_of(projection.depth);
  }
  keys[index] = key;
}
