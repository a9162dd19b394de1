// Purpose: as project.wgsl, of Gaussians that a network made: cull, project, colour, sort keys.
// Inputs: `gaussians` (10 floats a row: position, opacity, covariance xx xy xz yy yz zz), `shade`
//   (3 floats a row, or 3 SH_COEFFICIENTS where HAS_SH; where SHADE_SHARED the rows of one
//   instance, which are those of all), `live` (COUNTED; otherwise anything),
//   `instances`, Frame. A row is of the instance row / CAPACITY, and stands in its space.
// Outputs: `splats`, `keys` and `chunk_live`, chunk for chunk: a chunk is 256 rows of one instance
//   or what is left of them. Where COUNTED the chunks are those of live rows, without gaps.
// Dispatch: one workgroup a chunk, over x then y; indirect where COUNTED. Workgroup: 256.
// Constants: CAPACITY, CHUNK_SIZE, COUNTED, HAS_SH, INSTANCES, SHADE_SHARED,
//   SH_COEFFICIENTS, SH_DEGREE.
// A row that holds anything but tame numbers is not drawn. The test is by bits: WGSL lets a
// compiler assume that floats are finite, and what follows need not be right for others.

// #struct Frame Splat Instance LiveArgs

struct Live {
  args: LiveArgs,
  instances: array<vec2u>, // chunks of the instances before; live rows
}

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> gaussians: array<f32>;
@group(0) @binding(2) var<storage, read> shade: array<f32>;
@group(0) @binding(3) var<storage, read> live: Live;
@group(0) @binding(4) var<storage, read> instances: array<Instance>;
@group(0) @binding(5) var<storage, read_write> splats: array<Splat>;
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;
@group(0) @binding(7) var<storage, read_write> chunk_live: array<u32>;

// #include "project/footprint.wgsl"
// #include "project/sh_bands.wgsl"

const SH_C0: f32 = 0.28209479;
const INSTANCE_CHUNKS: u32 = (CAPACITY + CHUNK_SIZE - 1u) / CHUNK_SIZE;
const TAME: u32 = 0x5d5e0b6bu; // 1e18: products of two are finite

// #include "project/shade.wgsl"

struct Projection {
  visible: bool,
  depth: f32,
  splat: Splat,
}

fn project(row: u32, instance: u32) -> Projection {
  var result: Projection;
  result.visible = false;
  let at = row * 10u;
  let position = vec3f(gaussians[at], gaussians[at + 1u], gaussians[at + 2u]);
  let opacity = gaussians[at + 3u];
  let diagonal = vec3f(gaussians[at + 4u], gaussians[at + 7u], gaussians[at + 9u]); // xx, yy, zz
  let mixed = vec3f(gaussians[at + 5u], gaussians[at + 6u], gaussians[at + 8u]); // xy, xz, yz
  if (!is_tame(position) || !is_tame(diagonal) || !is_tame(mixed) || !is_tame(vec3f(opacity))) {
    return result;
  }
  let to_world = instances[instance].to_world;
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
  let ellipse = footprint_of(pos_view, variance, sharp_det, min(opacity, 1.0));
  if (!ellipse.visible) {
    return result;
  }
  let shade_row = select(row, row % max(CAPACITY, 1u), SHADE_SHARED);
  let rgb = rgb_of(shade_row, pos_world, instances[instance].to_model);
  if (!is_tame(rgb)) {
    return result;
  }
  result.visible = true;
  result.depth = pos_view.z;
  result.splat = splat_of(ellipse, rgb);
  return result;
}

// #include "generator/instance_of.wgsl"

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup.y * workgroups.x + workgroup.x;
  var instance = chunk / max(INSTANCE_CHUNKS, 1u);
  var row = chunk % max(INSTANCE_CHUNKS, 1u) * CHUNK_SIZE + lane;
  var rows = CAPACITY;
  if (COUNTED) {
    if (chunk >= live.args.chunk_count) {
      return;
    }
    instance = instance_of(chunk);
    row = (chunk - live.instances[instance].x) * CHUNK_SIZE + lane;
    rows = live.instances[instance].y;
  } else if (chunk >= INSTANCES * INSTANCE_CHUNKS) {
    return;
  }
  if (lane == 0u) {
    chunk_live[chunk] = 1u;
  }
  let index = chunk * CHUNK_SIZE + lane;
  var key = DEAD_KEY;
  if (row < rows) {
    let projection = project(instance * CAPACITY + row, instance);
    if (projection.visible) {
      splats[index] = projection.splat;
      key = key_of(projection.depth);
    }
  }
  keys[index] = key;
}
