// A filter's image by its pixels: what `present` and the count of faults share.
// Needs: `filtered`, a storage buffer of u32, and PACKED: a word a pixel, ten bits each of red,
//   green and blue from the lowest on, and bit 30 where a channel was no finite number; otherwise
//   three words, the bits of f32.

struct Pixel {
  rgb: vec3f,
  is_finite: bool,
}

fn pixel_at(index: u32) -> Pixel {
  if (PACKED) {
    let word = filtered[index];
    let channels = vec3u(word, word >> 10u, word >> 20u) & vec3u(0x3ffu);
    return Pixel(vec3f(channels) / 1023.0, word < 0x40000000u);
  }
  let bits = vec3u(filtered[3u * index], filtered[3u * index + 1u], filtered[3u * index + 2u]);
  let is_finite = all((bits & vec3u(0x7f800000u)) != vec3u(0x7f800000u));
  return Pixel(clamp(bitcast<vec3f>(bits), vec3f(0.0), vec3f(1.0)), is_finite);
}
