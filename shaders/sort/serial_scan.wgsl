// Purpose: as scan.wgsl, one lane a digit; see serial_histogram.wgsl.
// Dispatch: 64 workgroups. Workgroup: 4.

// #struct SortState DrawArgs

@group(0) @binding(0) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(1) var<storage, read_write> totals: array<u32>;
@group(0) @binding(2) var<storage, read> tile_counts: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: SortState;
@group(0) @binding(4) var<storage, read_write> args: DrawArgs;

// #include "sort/tile.wgsl"
// #include "sort/counts.wgsl"

@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) invocation: vec3u) {
  let digit = invocation.x;
  let tiles = tile_count();
  var before = 0u;
  var keys = 0u;
  for (var tile = 0u; tile < tiles; tile++) {
    let count = histogram[tile * DIGITS + digit];
    histogram[tile * DIGITS + digit] = before;
    before += count;
    if (is_sparse() && digit == 0u) {
      keys += tile_counts[tile];
    }
  }
  totals[digit] = before;
  if (is_sparse() && digit == 0u) {
    write_counts(keys);
  }
}
