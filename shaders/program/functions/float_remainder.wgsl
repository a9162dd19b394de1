// Remainder with the sign of the dividend (C's fmod): exact where the quotient fits 2^23.
// A quotient that a GPU rounds to the next integer is put right.
fn float_remainder(a: f32, b: f32) -> f32 {
  let size = abs(b);
  let whole = abs(a);
  if (whole < size) { return a; }
  var rest = whole - size * trunc(whole / size);
  rest = select(rest, rest + size, rest < 0.0);
  rest = select(rest, rest - size, rest >= size);
  return select(rest, -rest, a < 0.0);
}
