// A row that a network made, to a splat: what generated.wgsl and generated_object.wgsl share.
// Needs: the structs Frame, Splat, Instance and LiveArgs; CAPACITY, CHUNK_SIZE, HAS_SH, SHADE_SHARED,
//   SH_COEFFICIENTS, SH_DEGREE.

struct Live {
  args: LiveArgs,
  instances: array<vec2u>, // chunks of the instances before; live rows
}

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> gaussians: array<f32>;
@group(0) @binding(2) var<storage, read> shade: array<f32>;
@group(0) @binding(3) var<storage, read> live: Live;
@group(0) @binding(4) var<storage, read> instances: array<Instance>;

// #include "project/footprint.wgsl"
// #include "project/sh_bands.wgsl"

const SH_C0: f32 = 0.28209479;
const INSTANCE_CHUNKS: u32 = (CAPACITY + CHUNK_SIZE - 1u) / CHUNK_SIZE;
const TAME: u32 = 0x5d5e0b6bu; // 1e18: products of two are finite

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

// A row of the generator's in a space of its own; tint multiplies colour and, as w, opacity.
fn project(
  row: u32, to_world: mat4x4f, to_model: mat4x4f, tint: vec4f, antialiased: bool,
) -> Projection {
  var result: Projection;
  result.visible = false;
  let at = row * 10u;
  let position = vec3f(gaussians[at], gaussians[at + 1u], gaussians[at + 2u]);
  let own_opacity = gaussians[at + 3u];
  let diagonal = vec3f(gaussians[at + 4u], gaussians[at + 7u], gaussians[at + 9u]); // xx, yy, zz
  let mixed = vec3f(gaussians[at + 5u], gaussians[at + 6u], gaussians[at + 8u]); // xy, xz, yz
  if (!is_tame(position) || !is_tame(diagonal) || !is_tame(mixed) || !is_tame(vec3f(own_opacity))) {
    return result;
  }
  let opacity = min(own_opacity, 1.0) * tint.w;
  let pos_world = (to_world * vec4f(position, 1.0)).xyz;
  let pos_view = (frame.view * vec4f(pos_world, 1.0)).xyz;
  if (!(pos_view.z > NEAR) || !is_tame(pos_view) || !(opacity > 1.0 / 255.0)) {
    return result;
  }

  // Covariance on the image: (J W A) Sigma (J W A)^T, by the two rows of J W A.
  let linear = mat3x3f(frame.view[0].xyz, frame.view[1].xyz, frame.view[2].xyz)
    * mat3x3f(to_world[0].xyz, to_world[1].xyz, to_world[2].xyz);
  let rows = transpose(linear);
  let tangent = clamp(pos_view.xy / pos_view.z, -frame.tangent_limit, frame.tangent_limit);
  let px_per_unit = frame.splat_scale * frame.focal_px / pos_view.z;
  let across = px_per_unit.x * (rows[0] - tangent.x * rows[2]);
  let down = px_per_unit.y * (rows[1] - tangent.y * rows[2]);
  let covariance = mat3x3f(
    diagonal.x, mixed.x, mixed.y,
    mixed.x, diagonal.y, mixed.z,
    mixed.y, mixed.z, diagonal.z,
  );
  let spread = covariance * across;
  let variance = vec3f(dot(across, spread), dot(down, spread), dot(down, covariance * down));
  if (!is_tame(variance) || !(variance.x >= 0.0) || !(variance.z >= 0.0)) {
    return result;
  }
  let sharp_det = max(variance.x * variance.z - variance.y * variance.y, 0.0);
  let ellipse = footprint_of(pos_view, variance, sharp_det, opacity, antialiased);
  if (!ellipse.visible) {
    return result;
  }
  let shade_row = select(row, row % max(CAPACITY, 1u), SHADE_SHARED);
  let rgb = rgb_of(shade_row, pos_world, to_model) * tint.xyz;
  if (!is_tame(rgb)) {
    return result;
  }
  result.visible = true;
  result.depth = pos_view.z;
  result.splat = splat_of(ellipse, rgb);
  return result;
}
