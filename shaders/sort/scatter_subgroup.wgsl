// Purpose: as scatter.wgsl, by subgroup operations: two barriers a tile instead of three a round.
// Inputs, outputs, dispatch: as scatter.wgsl. Constants: SLOTS, THREADS,
//   TILE_ROUNDS.
// Method: each subgroup owns a run of consecutive keys. Eight ballots tell a lane its peers (the
//   lanes with its digit); a counter a digit and subgroup gives the rank among all of the run.
//   Source: warp-level multi-split (Ashkiani et al. 2016).
// Subgroups are numbered by whoever comes first, because WGSL promises nothing about which lanes
//   form one. A workgroup has THREADS = 16 of the adapter's smallest subgroups, at most 256 lanes,
//   so that the counters fit into 8 KiB; larger subgroups leave counters unused.

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

const KEYS: u32 = TILE_ROUNDS * DIGITS / THREADS; // a lane
const DEAD: u32 = 0xffffffffu; // rank of a row that holds no key

// Two 16-bit counters a word: [slot][digit / 2]. First the keys of a run, then the keys before it.
var<workgroup> run_counts: array<atomic<u32>, SLOTS * 128u>;
var<workgroup> subgroups_seen: atomic<u32>;

fn count_of(slot: u32, digit: u32) -> u32 {
  return (atomicLoad(&run_counts[slot * 128u + digit / 2u]) >> (16u * (digit & 1u))) & 0xffffu;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_size) subgroup_size: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  let tile = workgroup.y * workgroups.x + workgroup.x;
  if (tile >= tile_count()) {
    return;
  }
  for (var i = lane; i < SLOTS * 128u; i += THREADS) {
    atomicStore(&run_counts[i], 0u);
  }
  if (lane == 0u) {
    atomicStore(&subgroups_seen, 0u);
  }
  load_first_rows(tile, lane, THREADS); // its barriers publish the zeros

  var slot = 0u;
  if (subgroup_lane == 0u) {
    slot = atomicAdd(&subgroups_seen, 1u);
  }
  slot = subgroupBroadcastFirst(slot);

  // Keys of the run, in order: this lane takes every subgroup_size-th.
  let run = slot * subgroup_size * KEYS;
  let below = lanes_below(subgroup_lane);
  var keys: array<u32, KEYS>;
  var ranks: array<u32, KEYS>;
  for (var i = 0u; i < KEYS; i++) {
    let row_in_tile = run + i * subgroup_size + subgroup_lane;
    let round = tile * TILE_ROUNDS + row_in_tile / DIGITS;
    let key = load_key(round, row_in_tile % DIGITS);
    let is_live = key != DEAD_KEY;
    let digit = digit_of(key);
    var peers = subgroupBallot(is_live);
    for (var bit = 0u; bit < 8u; bit++) {
      let is_one = ((digit >> bit) & 1u) == 1u;
      let ones = subgroupBallot(is_one);
      peers &= select(~ones, ones, is_one);
    }
    let earlier = countOneBits(peers & below);
    let rank = earlier.x + earlier.y + earlier.z + earlier.w;
    let all = countOneBits(peers);
    var before = 0u;
    if (is_live && rank == 0u) {
      let half = 16u * (digit & 1u);
      let added = (all.x + all.y + all.z + all.w) << half;
      before = (atomicAdd(&run_counts[slot * 128u + digit / 2u], added) >> half) & 0xffffu;
    }
    // The shuffle hands the first peer's count on, and orders this round's sums before the next's.
    before = subgroupShuffle(before, select(subgroup_lane, first_lane(peers), is_live));
    keys[i] = key;
    ranks[i] = select(DEAD, before + rank, is_live);
  }
  workgroupBarrier();

  // Counts of each digit become the keys of the digit in earlier runs; a word holds two digits,
  // and its halves do not carry, because a tile has fewer than 65536 keys.
  for (var pair = lane; pair < DIGITS / 2u; pair += THREADS) {
    var before = 0u;
    for (var s = 0u; s < SLOTS; s++) {
      let count = atomicLoad(&run_counts[s * 128u + pair]);
      atomicStore(&run_counts[s * 128u + pair], before);
      before += count;
    }
  }
  workgroupBarrier();

  for (var i = 0u; i < KEYS; i++) {
    if (ranks[i] != DEAD) {
      let row_in_tile = run + i * subgroup_size + subgroup_lane;
      let digit = digit_of(keys[i]);
      put(
        keys[i],
        tile * TILE_ROUNDS * DIGITS + row_in_tile,
        first_rows[digit] + count_of(slot, digit) + ranks[i],
      );
    }
  }
}

// Lowest lane of a mask that is not empty.
fn first_lane(mask: vec4u) -> u32 {
  if (mask.x != 0u) {
    return firstTrailingBit(mask.x);
  }
  if (mask.y != 0u) {
    return 32u + firstTrailingBit(mask.y);
  }
  if (mask.z != 0u) {
    return 64u + firstTrailingBit(mask.z);
  }
  return 96u + firstTrailingBit(mask.w);
}

// Mask of the lanes before this one in its subgroup.
fn lanes_below(lane: u32) -> vec4u {
  let words = vec4u(0u, 1u, 2u, 3u);
  let own = vec4u((1u << (lane % 32u)) - 1u);
  let partial = select(vec4u(0u), own, words == vec4u(lane / 32u));
  return select(partial, vec4u(0xffffffffu), words < vec4u(lane / 32u));
}
