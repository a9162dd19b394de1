// Purpose: as scatter.wgsl, one lane a tile; see serial_histogram.wgsl.
// In and out: histogram, whose prefixes serve as the tile's next rows. Dispatch: one invocation a
//   tile, over x then y. Workgroup: 4.

// #struct SortState

@group(0) @binding(0) var<storage, read> keys_in: array<u32>;
@group(0) @binding(1) var<storage, read> values_in: array<u32>;
@group(0) @binding(2) var<storage, read> chunk_live: array<u32>;
@group(0) @binding(3) var<storage, read> state: SortState;
@group(0) @binding(4) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(5) var<storage, read> totals: array<u32>;
@group(0) @binding(6) var<storage, read_write> keys_out: array<u32>;
@group(0) @binding(7) var<storage, read_write> values_out: array<u32>;

// #include "sort/tile.wgsl"
// #include "sort/rows.wgsl"
// #include "sort/put.wgsl"

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
  var before = 0u;
  for (var digit = 0u; digit < DIGITS; digit++) {
    histogram[first + digit] += before;
    before += totals[digit];
  }
  for (var i = 0u; i < TILE_ROUNDS; i++) {
    let round = tile * TILE_ROUNDS + i;
    let length = round_length(round);
    for (var row = round * DIGITS; row < round * DIGITS + length; row++) {
      let key = keys_in[row];
      if (key != DEAD_KEY) {
        let next = first + digit_of(key);
        let row_out = histogram[next];
        histogram[next] = row_out + 1u;
        put(key, row, row_out);
      }
    }
  }
}
