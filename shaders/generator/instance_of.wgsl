// The last instance whose chunks begin at `chunk` or before.
fn instance_of(chunk: u32) -> u32 {
  var low = 0u;
  var high = INSTANCES;
  while (low + 1u < high) {
    let middle = (low + high) / 2u;
    if (live.instances[middle].x <= chunk) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}
