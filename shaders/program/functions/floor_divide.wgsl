// Quotient rounded towards minus infinity; the divisor is positive.
fn floor_divide(a: i32, b: i32) -> i32 {
  return select(a / b, (a + 1) / b - 1, a < 0);
}
