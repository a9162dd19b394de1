// Spherical harmonics as they are packed, four signed bytes a word, coefficient-major with r, g, b
// inside. Input: `sh`. Constants: SH_WORDS (u32 words a Gaussian), and what the bands need.

fn sh_triplet(first: u32, index: u32) -> vec3f {
  let byte = index * 3u;
  let word = first + byte / 4u;
  let low = unpack4x8snorm(sh[word]);
  let high = unpack4x8snorm(sh[min(word + 1u, arrayLength(&sh) - 1u)]);
  switch (byte % 4u) {
    case 0u: { return low.xyz; }
    case 1u: { return low.yzw; }
    case 2u: { return vec3f(low.zw, high.x); }
    default: { return vec3f(low.w, high.xy); }
  }
}

// #include "project/sh_bands.wgsl"
