// Purpose: turn the tiles' digit counts into exclusive prefixes, digit by digit.
// In and out: histogram[tile * 256 + digit]. Output: totals[digit]; in the first pass also the
//   number of keys and the indirect arguments that follow from it.
// Constants: BATCHES, SPLAT_VERTICES, TILE_ROUNDS. Dispatch: 16 workgroups. Workgroup: 256 = 16 digits x 16 segments of the tiles.

// #struct SortState DrawArgs

@group(0) @binding(0) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(1) var<storage, read_write> totals: array<u32>;
@group(0) @binding(2) var<storage, read> tile_counts: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: SortState;
@group(0) @binding(4) var<storage, read_write> args: DrawArgs;

// #include "sort/tile.wgsl"
// #include "sort/counts.wgsl"

const SEGMENTS: u32 = 16u;
var<workgroup> segment_sums: array<u32, 256>;
var<workgroup> key_count: atomic<u32>;

// Keys of all tiles; every lane of the workgroup takes part.
fn count_keys(lane: u32) -> u32 {
  var sum = 0u;
  for (var tile = lane; tile < tile_count(); tile += DIGITS) {
    sum += tile_counts[tile];
  }
  if (lane == 0u) {
    atomicStore(&key_count, 0u);
  }
  workgroupBarrier();
  atomicAdd(&key_count, sum);
  workgroupBarrier();
  return atomicLoad(&key_count);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tiles = tile_count();
  let digit = workgroup.x * SEGMENTS + lane % SEGMENTS;
  let segment = lane / SEGMENTS;
  let length = (tiles + SEGMENTS - 1u) / SEGMENTS;
  let first = min(segment * length, tiles);
  let last = min(first + length, tiles);

  var sum = 0u;
  for (var tile = first; tile < last; tile++) {
    sum += histogram[tile * DIGITS + digit];
  }
  segment_sums[lane] = sum;
  workgroupBarrier();

  var before = 0u;
  for (var i = 0u; i < segment; i++) {
    before += segment_sums[i * SEGMENTS + lane % SEGMENTS];
  }
  if (segment == SEGMENTS - 1u) {
    totals[digit] = before + sum;
  }
  for (var tile = first; tile < last; tile++) {
    let count = histogram[tile * DIGITS + digit];
    histogram[tile * DIGITS + digit] = before;
    before += count;
  }

  if (is_sparse() && workgroup.x == 0u) {
    let keys = count_keys(lane);
    if (lane == 0u) {
      write_counts(keys);
    }
  }
}
