// Purpose: find the rows of a scene file that can be drawn, and the box around their centres.
// Inputs: the file, SourceTable.
// Outputs: keys[row], 0 or DEAD_KEY; chunk_live, all 1; bounds: ordered(largest) of x, y, z and
//   ~ordered(smallest), so that 0 is below both and the buffer needs no clearing.
// Dispatch: one workgroup a chunk, over x then y. Workgroup: CHUNK_SIZE = 256.
// Constants: CHUNK_SIZE, FORMAT, SH_COEFFICIENTS.

// #struct SourceTable

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<uniform> table: SourceTable;
@group(0) @binding(2) var<storage, read_write> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> chunk_live: array<u32>;
@group(0) @binding(4) var<storage, read_write> bounds: array<atomic<u32>, 8>;

// #include "decode/source.wgsl"
// #include "decode/ordered.wgsl"

const DEAD_KEY: u32 = 0xffffffffu;
var<workgroup> own_bounds: array<atomic<u32>, 6>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup.y * workgroups.x + workgroup.x;
  if (chunk >= table.chunk_count) {
    return;
  }
  if (lane < 6u) {
    atomicStore(&own_bounds[lane], 0u);
  }
  workgroupBarrier();
  let row = chunk * CHUNK_SIZE + lane;
  var key = DEAD_KEY;
  if (row < table.count && is_drawable(row)) {
    key = 0u;
    let position = load_position(row);
    for (var axis = 0u; axis < 3u; axis++) {
      let place = ordered(position[axis]);
      atomicMax(&own_bounds[axis], place);
      atomicMax(&own_bounds[axis + 3u], ~place);
    }
  }
  keys[row] = key;
  if (lane == 0u) {
    chunk_live[chunk] = 1u;
  }
  workgroupBarrier();
  if (lane < 6u) {
    atomicMax(&bounds[lane], atomicLoad(&own_bounds[lane]));
  }
}
