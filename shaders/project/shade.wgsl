// The colour of a row that a network made. Needs: `shade`, `frame`, sh_bands.wgsl, HAS_SH, SH_C0,
// SH_COEFFICIENTS, SH_DEGREE, TAME.

fn triplet(first: u32) -> vec3f {
  return vec3f(shade[first], shade[first + 1u], shade[first + 2u]);
}

fn sh_triplet(first: u32, index: u32) -> vec3f {
  return triplet(first + 3u * (index + 1u));
}

// Finite and no larger than 1e18.
fn is_tame(value: vec3f) -> bool {
  return all((bitcast<vec3u>(value) & vec3u(0x7fffffffu)) < vec3u(TAME));
}

fn rgb_of(row: u32, pos_world: vec3f, to_model: mat4x4f) -> vec3f {
  if (!HAS_SH) {
    return triplet(row * 3u);
  }
  let first = row * 3u * SH_COEFFICIENTS;
  var rgb = 0.5 + SH_C0 * triplet(first);
  if (SH_DEGREE > 0u && frame.sh_degree > 0u) {
    let away = to_model * vec4f(pos_world - frame.camera_position.xyz, 0.0);
    rgb += evaluate_sh(first, frame.sh_degree, normalize(away.xyz));
  }
  return rgb;
}
