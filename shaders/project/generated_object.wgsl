// Purpose: as generated.wgsl, where the network's Gaussians are an object of a scene beside others.
// Inputs: as there, and `objects`, of which OBJECT is this one: its map stands behind those of the
//   instances, its opacity and tint multiply. `live` tells the rows of each instance (COUNTED).
// Outputs: `splats`, `keys` and `chunk_live` from FIRST_CHUNK on: the chunks before are those of
//   the packed objects. Of a hidden object, and behind the live rows, `chunk_live` is 0.
// Dispatch: one workgroup a chunk of the capacity, over x then y. Workgroup: 256.
// Constants: as there, and FIRST_CHUNK, OBJECT.

// #struct Frame Splat Instance LiveArgs SceneObject

@group(0) @binding(5) var<storage, read> objects: array<SceneObject>;
@group(0) @binding(6) var<storage, read_write> splats: array<Splat>;
@group(0) @binding(7) var<storage, read_write> keys: array<u32>;
@group(0) @binding(8) var<storage, read_write> chunk_live: array<u32>;

// #include "project/generated_row.wgsl"
// #include "generator/instance_of.wgsl"

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup.y * workgroups.x + workgroup.x;
  if (chunk >= INSTANCES * INSTANCE_CHUNKS) {
    return;
  }
  var instance = chunk / max(INSTANCE_CHUNKS, 1u);
  var row = chunk % max(INSTANCE_CHUNKS, 1u) * CHUNK_SIZE + lane;
  var rows = CAPACITY;
  var is_live = objects[OBJECT].visible != 0u;
  if (COUNTED) {
    instance = instance_of(chunk);
    row = (chunk - live.instances[instance].x) * CHUNK_SIZE + lane;
    rows = live.instances[instance].y;
    is_live = is_live && chunk < live.args.chunk_count;
  }
  if (lane == 0u) {
    chunk_live[FIRST_CHUNK + chunk] = u32(is_live);
  }
  if (!is_live) {
    return;
  }
  let index = (FIRST_CHUNK + chunk) * CHUNK_SIZE + lane;
  var key = DEAD_KEY;
  if (row < rows) {
    let to_world = objects[OBJECT].to_world * instances[instance].to_world;
    let to_model = instances[instance].to_model * objects[OBJECT].to_object;
    let antialiased = (frame.antialiased | objects[OBJECT].antialiased) != 0u;
    let projection =
      project(instance * CAPACITY + row, to_world, to_model, objects[OBJECT].tint, antialiased);
    if (projection.visible) {
      splats[index] = projection.splat;
      key = key_of(projection.depth);
    }
  }
  keys[index] = key;
}
