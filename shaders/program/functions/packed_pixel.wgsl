// Red, green and blue in one word, ten bits each from the lowest on; bit 30 alone where one of them
// is no finite number.
fn packed_pixel(red: f32, green: f32, blue: f32) -> u32 {
  let rgb = vec3f(red, green, blue);
  let exponents = bitcast<vec3u>(rgb) & vec3u(0x7f800000u);
  let levels = vec3u(clamp(rgb, vec3f(0.0), vec3f(1.0)) * 1023.0 + 0.5);
  let word = levels.x | (levels.y << 10u) | (levels.z << 20u);
  return select(0x40000000u, word, all(exponents != vec3u(0x7f800000u)));
}
