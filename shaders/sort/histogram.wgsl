// Purpose: count the digits of a tile, and its live keys.
// Inputs: keys (sparse or dense, tile.wgsl).
// Outputs: histogram[tile * 256 + digit]; in the first pass tile_counts[tile].
// Dispatch: one workgroup a tile, over x then y. Workgroup: 256.
// Source: the "reduce" of a reduce-then-scan radix sort (Merrill & Grimshaw 2011); no workgroup
//   ever waits for another one.
// Workgroup memory is cleared by hand throughout the sort: lavapipe (Mesa 22.3) hands on what the
// workgroup before left in it.

// #struct SortState

@group(0) @binding(0) var<storage, read> keys_in: array<u32>;
@group(0) @binding(1) var<storage, read> chunk_live: array<u32>;
@group(0) @binding(2) var<storage, read> state: SortState;
@group(0) @binding(3) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(4) var<storage, read_write> tile_counts: array<u32>;

// #include "sort/tile.wgsl"
// #include "sort/rows.wgsl"

var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> live: atomic<u32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = workgroup.y * workgroups.x + workgroup.x;
  if (tile >= tile_count()) {
    return;
  }
  atomicStore(&counts[lane], 0u);
  if (lane == 0u) {
    atomicStore(&live, 0u);
  }
  workgroupBarrier();
  var own = 0u;
  for (var i = 0u; i < TILE_ROUNDS; i++) {
    let key = load_key(tile * TILE_ROUNDS + i, lane);
    if (key != DEAD_KEY) {
      atomicAdd(&counts[digit_of(key)], 1u);
      own += 1u;
    }
  }
  atomicAdd(&live, own);
  workgroupBarrier();
  histogram[tile * DIGITS + lane] = atomicLoad(&counts[lane]);
  if (is_sparse() && lane == 0u) {
    tile_counts[tile] = atomicLoad(&live);
  }
}
