// First output row of each digit for a tile: smaller digits of all tiles, then earlier tiles.

var<workgroup> first_rows: array<u32, 256>;
var<workgroup> digit_totals: array<u32, 256>;
var<workgroup> group_sums: array<u32, 16>;

// Every lane of the workgroup calls this; `first_rows` is ready for all of them afterwards.
fn load_first_rows(tile: u32, lane: u32, lanes: u32) {
  for (var digit = lane; digit < DIGITS; digit += lanes) {
    digit_totals[digit] = totals[digit];
  }
  workgroupBarrier();
  if (lane < 16u) {
    var sum = 0u;
    for (var i = 0u; i < 16u; i++) {
      sum += digit_totals[lane * 16u + i];
    }
    group_sums[lane] = sum;
  }
  workgroupBarrier();
  for (var digit = lane; digit < DIGITS; digit += lanes) {
    var row = histogram[tile * DIGITS + digit];
    for (var i = 0u; i < digit / 16u; i++) {
      row += group_sums[i];
    }
    for (var i = digit & ~15u; i < digit; i++) {
      row += digit_totals[i];
    }
    first_rows[digit] = row;
  }
  workgroupBarrier();
}
