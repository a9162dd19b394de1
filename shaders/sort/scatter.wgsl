// Purpose: move each key and its value to its row in the order of the digit; stable.
// Inputs: keys, values (in the first pass a key's value is its row), histogram prefixes, totals.
// Outputs: keys_out, values_out. Dispatch: one workgroup a tile, over x then y. Workgroup: 256.
// Method: 256 keys a round. Each lane sets its bit in the row of its digit; the bits below its own,
//   counted, are its rank. That is a ballot by workgroup memory: it needs no subgroups, keeps the
//   order of equal digits, and costs 8 KiB.

// #struct SortState

@group(0) @binding(0) var<storage, read> keys_in: array<u32>;
@group(0) @binding(1) var<storage, read> values_in: array<u32>;
@group(0) @binding(2) var<storage, read> chunk_live: array<u32>;
@group(0) @binding(3) var<storage, read> state: SortState;
@group(0) @binding(4) var<storage, read> histogram: array<u32>;
@group(0) @binding(5) var<storage, read> totals: array<u32>;
@group(0) @binding(6) var<storage, read_write> keys_out: array<u32>;
@group(0) @binding(7) var<storage, read_write> values_out: array<u32>;

// #include "sort/tile.wgsl"
// #include "sort/rows.wgsl"
// #include "sort/bases.wgsl"
// #include "sort/put.wgsl"

var<workgroup> lanes_of_digit: array<atomic<u32>, 2048>; // [word of 32 lanes][digit]

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
  for (var word = 0u; word < DIGITS / 32u; word++) {
    atomicStore(&lanes_of_digit[word * DIGITS + lane], 0u);
  }
  load_first_rows(tile, lane, DIGITS);

  let own_word = lane / 32u;
  let own_bit = 1u << (lane % 32u);
  for (var i = 0u; i < TILE_ROUNDS; i++) {
    let round = tile * TILE_ROUNDS + i;
    let row = round * DIGITS + lane;
    let key = load_key(round, lane);
    let is_live = key != DEAD_KEY;
    if (is_live) {
      atomicOr(&lanes_of_digit[own_word * DIGITS + digit_of(key)], own_bit);
    }
    workgroupBarrier();

    let digit = digit_of(key);
    var rank = 0u;
    var peers = 0u;
    if (is_live) {
      for (var word = 0u; word < DIGITS / 32u; word++) {
        let bits = atomicLoad(&lanes_of_digit[word * DIGITS + digit]);
        rank += select(0u, countOneBits(bits), word < own_word);
        rank += select(0u, countOneBits(bits & (own_bit - 1u)), word == own_word);
        peers += countOneBits(bits);
      }
      put(key, row, first_rows[digit] + rank);
    }
    workgroupBarrier();

    if (is_live) {
      if (rank + 1u == peers) {
        first_rows[digit] += peers;
      }
      atomicStore(&lanes_of_digit[own_word * DIGITS + digit], 0u);
    }
    workgroupBarrier();
  }
}
