// Purpose: as project.wgsl, of Gaussians that a network made: cull, project, colour, sort keys.
// Inputs: `gaussians` (10 floats a row: position, opacity, covariance xx xy xz yy yz zz), `shade`
//   (3 floats a row, or 3 SH_COEFFICIENTS where HAS_SH; where SHADE_SHARED the rows of one
//   instance, which are those of all), `live` (COUNTED; otherwise anything),
//   `instances`, Frame. A row is of the instance row / CAPACITY, and stands in its space.
// Outputs: `splats`, `keys` and `chunk_live`, chunk for chunk: a chunk is 256 rows of one instance
//   or what is left of them. Where COUNTED the chunks are those of live rows, without gaps.
// Dispatch: one workgroup a chunk, over x then y; indirect where COUNTED. Workgroup: 256.
// Constants: CAPACITY, CHUNK_SIZE, COUNTED, HAS_SH, INSTANCES, SHADE_SHARED,
//   SH_COEFFICIENTS, SH_DEGREE.
// A row that holds anything but tame numbers is not drawn. The test is by bits: WGSL lets a
// compiler assume that floats are finite, and what follows need not be right for others.

// #struct Frame Splat Instance LiveArgs

@group(0) @binding(5) var<storage, read_write> splats: array<Splat>;
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;
@group(0) @binding(7) var<storage, read_write> chunk_live: array<u32>;

// #include "project/generated_row.wgsl"
// #include "generator/instance_of.wgsl"

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup.y * workgroups.x + workgroup.x;
  var instance = chunk / max(INSTANCE_CHUNKS, 1u);
  var row = chunk % max(INSTANCE_CHUNKS, 1u) * CHUNK_SIZE + lane;
  var rows = CAPACITY;
  if (COUNTED) {
    if (chunk >= live.args.chunk_count) {
      return;
    }
    instance = instance_of(chunk);
    row = (chunk - live.instances[instance].x) * CHUNK_SIZE + lane;
    rows = live.instances[instance].y;
  } else if (chunk >= INSTANCES * INSTANCE_CHUNKS) {
    return;
  }
  if (lane == 0u) {
    chunk_live[chunk] = 1u;
  }
  let index = chunk * CHUNK_SIZE + lane;
  var key = DEAD_KEY;
  if (row < rows) {
    let to_world = instances[instance].to_world;
    let to_model = instances[instance].to_model;
    let antialiased = frame.antialiased != 0u;
    let projection =
      project(instance * CAPACITY + row, to_world, to_model, vec4f(1.0), antialiased);
    if (projection.visible) {
      splats[index] = projection.splat;
      key = key_of(projection.depth);
    }
  }
  keys[index] = key;
}
