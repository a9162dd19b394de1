// What the sort's passes share: a tile is TILE_ROUNDS rounds of 256 rows.
//
// In the first pass (SPARSE_CHUNKS > 0) the keys lie as project left them, a round is a chunk, and
// dead rows are passed over: that pass compacts as it sorts. In later passes they lie densely and
// `state.key_count` rules.
// Constants: TILE_ROUNDS. Overrides: IS_COUNTED, SHIFT, SPARSE_CHUNKS.

override SHIFT: u32 = 0u; // lowest bit of the digit
override SPARSE_CHUNKS: u32 = 0u; // chunks of the input; 0: the input is dense
override IS_COUNTED: bool = false; // the first `state.live_chunks` of them alone hold keys

const DIGITS: u32 = 256u; // also the rows of a round
const DEAD_KEY: u32 = 0xffffffffu;

fn is_sparse() -> bool {
  return SPARSE_CHUNKS > 0u;
}

// Chunks of the first pass's input.
fn sparse_chunks() -> u32 {
  if (IS_COUNTED) {
    return min(state.live_chunks, SPARSE_CHUNKS);
  }
  return SPARSE_CHUNKS;
}

fn tile_count() -> u32 {
  if (is_sparse()) {
    return (sparse_chunks() + TILE_ROUNDS - 1u) / TILE_ROUNDS;
  }
  return state.tile_count;
}

fn digit_of(key: u32) -> u32 {
  return (key >> SHIFT) & (DIGITS - 1u);
}
