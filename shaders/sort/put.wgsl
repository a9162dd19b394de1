// Writes one key and its value; the last pass has no reader for its keys.

override IS_LAST: bool = false;

fn put(key: u32, row_in: u32, row_out: u32) {
  if (!IS_LAST) {
    keys_out[row_out] = key;
  }
  if (is_sparse()) {
    values_out[row_out] = row_in;
  } else {
    values_out[row_out] = values_in[row_in];
  }
}
