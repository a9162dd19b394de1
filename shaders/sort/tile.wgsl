// What the sort's passes share: a tile is TILE_ROUNDS rounds of 256 keys.
//
// In the first pass (SPARSE) the keys lie as project left them: chunk c holds chunk_counts[c] keys
// from row 256 * c on, and a round is a chunk; reading them so compacts them for free. In later
// passes they lie densely and `state.key_count` rules.
// Constants: TILE_ROUNDS. Overrides: SHIFT, SPARSE_CHUNKS.

override SHIFT: u32 = 0u; // lowest bit of the digit
override SPARSE_CHUNKS: u32 = 0u; // chunks of the input; 0: the input is dense

const DIGITS: u32 = 256u; // also the workgroup's size, and the chunk's

fn is_sparse() -> bool {
  return SPARSE_CHUNKS > 0u;
}

fn tile_count() -> u32 {
  if (is_sparse()) {
    return (SPARSE_CHUNKS + TILE_ROUNDS - 1u) / TILE_ROUNDS;
  }
  return state.tile_count;
}

// Keys of the given round: they are rows 256 * round .. + this.
fn round_length(round: u32) -> u32 {
  if (is_sparse()) {
    if (round >= SPARSE_CHUNKS) {
      return 0u;
    }
    return min(chunk_counts[round], DIGITS);
  }
  let start = round * DIGITS;
  return min(max(state.key_count, start) - start, DIGITS);
}

fn digit_of(key: u32) -> u32 {
  return (key >> SHIFT) & (DIGITS - 1u);
}
