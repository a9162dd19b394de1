// Purpose: count the digits of a tile.
// Inputs: keys (sparse or dense, tile.wgsl). Output: histogram[tile * 256 + digit].
// Dispatch: one workgroup a tile, over x then y. Workgroup: 256.
// Source: the "reduce" of a reduce-then-scan radix sort (Merrill & Grimshaw 2011); no workgroup
//   ever waits for another one.

// #struct SortState

@group(0) @binding(0) var<storage, read> keys_in: array<u32>;
@group(0) @binding(1) var<storage, read> chunk_counts: array<u32>;
@group(0) @binding(2) var<storage, read> state: SortState;
@group(0) @binding(3) var<storage, read_write> histogram: array<u32>;

// #include "sort/tile.wgsl"

var<workgroup> counts: array<atomic<u32>, 256>;

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
  workgroupBarrier();
  for (var i = 0u; i < TILE_ROUNDS; i++) {
    let round = tile * TILE_ROUNDS + i;
    if (lane < round_length(round)) {
      atomicAdd(&counts[digit_of(keys_in[round * DIGITS + lane])], 1u);
    }
  }
  workgroupBarrier();
  histogram[tile * DIGITS + lane] = atomicLoad(&counts[lane]);
}
