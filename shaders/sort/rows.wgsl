// Rows of the input that hold a key.

// Rows of a round that may hold one: row 256 * round .. + this.
fn round_length(round: u32) -> u32 {
  if (is_sparse()) {
    if (round >= sparse_chunks()) {
      return 0u;
    }
    return chunk_live[round] * DIGITS;
  }
  let start = round * DIGITS;
  return min(max(state.key_count, start) - start, DIGITS);
}

// Key of a row, or DEAD_KEY where the row holds none.
fn load_key(round: u32, row_in_round: u32) -> u32 {
  if (row_in_round < round_length(round)) {
    return keys_in[round * DIGITS + row_in_round];
  }
  return DEAD_KEY;
}
