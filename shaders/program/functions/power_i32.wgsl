// Integer power modulo 2^32 by squaring; a negative exponent leaves 0 of all bases but 1 and -1.
fn power_i32(base: i32, exponent: i32) -> i32 {
  let odd = (exponent & 1) == 1;
  if (exponent < 0) {
    return select(0, select(1, base, odd), abs(base) == 1);
  }
  var result = 1;
  var square = base;
  for (var left = exponent; left > 0; left >>= 1u) {
    if ((left & 1) == 1) { result *= square; }
    square *= square;
  }
  return result;
}
