// First output row of each digit for a tile: smaller digits of all tiles, then earlier tiles.

var<workgroup> digit_totals: array<u32, 256>;
var<workgroup> group_sums: array<u32, 16>;

// Every lane of the workgroup calls this; lane is the digit.
fn first_row(tile: u32, lane: u32) -> u32 {
  digit_totals[lane] = totals[lane];
  workgroupBarrier();
  if (lane < 16u) {
    var sum = 0u;
    for (var i = 0u; i < 16u; i++) {
      sum += digit_totals[lane * 16u + i];
    }
    group_sums[lane] = sum;
  }
  workgroupBarrier();
  var row = histogram[tile * DIGITS + lane];
  for (var i = 0u; i < lane / 16u; i++) {
    row += group_sums[i];
  }
  for (var i = lane & ~15u; i < lane; i++) {
    row += digit_totals[i];
  }
  return row;
}
