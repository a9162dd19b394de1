// Purpose: as histogram.wgsl, one lane a tile, for adapters that are processors: no workgroup
//   memory, no barrier, no atomic; a barrier costs such an adapter more than a tile's keys.
// Dispatch: one invocation a tile, over x then y. Workgroup: 4.

// #struct SortState

@group(0) @binding(0) var<storage, read> keys_in: array<u32>;
@group(0) @binding(1) var<storage, read> chunk_live: array<u32>;
@group(0) @binding(2) var<storage, read> state: SortState;
@group(0) @binding(3) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(4) var<storage, read_write> tile_counts: array<u32>;

// #include "sort/tile.wgsl"
// #include "sort/rows.wgsl"

@compute @workgroup_size(4)
fn main(
  @builtin(global_invocation_id) invocation: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let tile = invocation.y * workgroups.x * 4u + invocation.x;
  if (tile >= tile_count()) {
    return;
  }
  let first = tile * DIGITS;
  for (var digit = 0u; digit < DIGITS; digit++) {
    histogram[first + digit] = 0u;
  }
  var live = 0u;
  for (var i = 0u; i < TILE_ROUNDS; i++) {
    let round = tile * TILE_ROUNDS + i;
    let length = round_length(round);
    for (var row = 0u; row < length; row++) {
      let key = keys_in[round * DIGITS + row];
      if (key != DEAD_KEY) {
        histogram[first + digit_of(key)] += 1u;
        live += 1u;
      }
    }
  }
  if (is_sparse()) {
    tile_counts[tile] = live;
  }
}
