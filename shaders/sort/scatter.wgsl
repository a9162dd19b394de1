// Purpose: move each key and its value to its row in the order of the digit; stable.
// Inputs: keys, values (in the first pass a key's value is its row), histogram prefixes, totals.
// Outputs: keys_out, values_out. Dispatch: one workgroup a tile, over x then y. Workgroup: 256.
// Method: 256 keys a round. Each lane sets its bit in the row of its digit; the bits below its own,
//   counted, are its rank. That is a ballot by workgroup memory: it needs no subgroups, keeps the
//   order of equal digits, and costs 8 KiB.

// #struct SortState

@group(0) @binding(0) var<storage, read> keys_in: array<u32>;
@group(0) @binding(1) var<storage, read> values_in: array<u32>;
@group(0) @binding(2) var<storage, read> chunk_counts: array<u32>;
@group(0) @binding(3) var<storage, read> state: SortState;
@group(0) @binding(4) var<storage, read> histogram: array<u32>;
@group(0) @binding(5) var<storage, read> totals: array<u32>;
@group(0) @binding(6) var<storage, read_write> keys_out: array<u32>;
@group(0) @binding(7) var<storage, read_write> values_out: array<u32>;

// #include "sort/tile.wgsl"
// #include "sort/bases.wgsl"
// #include "sort/put.wgsl"

var<workgroup> lanes_of_digit: array<atomic<u32>, 2048>; // [word of 32 lanes][digit]
var<workgroup> next_row: array<u32, 256>;

fn clear_lanes(lane: u32) {
  for (var word = 0u; word < DIGITS / 32u; word++) {
    atomicStore(&lanes_of_digit[word * DIGITS + lane], 0u);
  }
}

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
  clear_lanes(lane);
  next_row[lane] = first_row(tile, lane);

  for (var i = 0u; i < TILE_ROUNDS; i++) {
    let round = tile * TILE_ROUNDS + i;
    let row = round * DIGITS + lane;
    let is_live = lane < round_length(round);
    var key = 0u;
    if (is_live) {
      key = keys_in[row];
      atomicOr(&lanes_of_digit[(lane / 32u) * DIGITS + digit_of(key)], 1u << (lane % 32u));
    }
    workgroupBarrier();

    var rank = 0u;
    var peers = 0u;
    if (is_live) {
      for (var word = 0u; word < DIGITS / 32u; word++) {
        let bits = atomicLoad(&lanes_of_digit[word * DIGITS + digit_of(key)]);
        let own = (1u << (lane % 32u)) - 1u;
        let below = select(select(0u, own, word == lane / 32u), 0xffffffffu, word < lane / 32u);
        rank += countOneBits(bits & below);
        peers += countOneBits(bits);
      }
      put(key, row, next_row[digit_of(key)] + rank);
    }
    workgroupBarrier();

    if (is_live && rank + 1u == peers) {
      next_row[digit_of(key)] += peers;
    }
    clear_lanes(lane);
    workgroupBarrier();
  }
}
