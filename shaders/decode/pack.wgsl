// Purpose: quantise the splats of a chunk, in Morton order, as pybuild/pack.py does.
// Inputs: the file, SourceTable, the sorted rows and their number.
// Outputs: chunks, geometry, color (project/unpack.wgsl draws them); every sample_stride-th centre
//   with its opacity, by which the camera is placed. Rows behind the last splat are transparent.
// Dispatch: one workgroup a chunk, over x then y. Workgroup: CHUNK_SIZE = 256.
// Constants: CHUNK_SIZE, FORMAT, SH_COEFFICIENTS.

// #struct SourceTable SortState ChunkBox

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<uniform> table: SourceTable;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> state: SortState;
@group(0) @binding(4) var<storage, read_write> chunks: array<ChunkBox>;
@group(0) @binding(5) var<storage, read_write> geometry: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> color: array<u32>;
@group(0) @binding(7) var<storage, read_write> samples: array<vec4f>;

// #include "decode/source.wgsl"
// #include "decode/ordered.wgsl"

const LOG_SCALE_FLOOR: f32 = -20.0;
const LOG_SCALE_SPAN: f32 = 12.0; // sigmas smaller than the chunk's largest by more are flat
const DRAWN_SIGMAS: f32 = 3.3324; // an opaque splat falls to 1/255 there; a little more
const POSITION_LEVELS: vec3f = vec3f(65535.0);
const WIDE_LEVELS: vec3f = vec3f(2047.0, 2047.0, 1023.0);

// Ordered integers: position 0..2, colour 3..5, log-scale 6.
var<workgroup> lowest: array<atomic<u32>, 7>;
var<workgroup> highest: array<atomic<u32>, 7>;

fn include(index: u32, value: f32) {
  atomicMin(&lowest[index], ordered(value));
  atomicMax(&highest[index], ordered(value));
}

fn low_of(index: u32) -> f32 {
  return from_ordered(atomicLoad(&lowest[index]));
}

fn high_of(index: u32) -> f32 {
  return from_ordered(atomicLoad(&highest[index]));
}

fn low_vec3(index: u32) -> vec3f {
  return vec3f(low_of(index), low_of(index + 1u), low_of(index + 2u));
}

fn high_vec3(index: u32) -> vec3f {
  return vec3f(high_of(index), high_of(index + 1u), high_of(index + 2u));
}

fn quantised(value: vec3f, low: vec3f, step: vec3f, levels: vec3f) -> vec3u {
  let safe = select(vec3f(1.0), step, step > vec3f(0.0));
  return vec3u(clamp(round((value - low) / safe), vec3f(0.0), levels));
}

fn pack_11_11_10(steps: vec3u) -> u32 {
  return steps.x | (steps.y << 11u) | (steps.z << 22u);
}

// Index of the first largest of w, x, y, z, and the other three in 10 bits each, centre 511.
fn pack_rotation(rotation: vec4f) -> u32 {
  let size = abs(rotation);
  let longest = max(max(size.x, size.y), max(size.z, size.w));
  let q = normalize(rotation / longest);
  var largest = 3u;
  var kept = vec4f(q.xyz, q.w);
  if (size.x == longest) {
    largest = 0u;
    kept = q.yzwx;
  } else if (size.y == longest) {
    largest = 1u;
    kept = q.xzwy;
  } else if (size.z == longest) {
    largest = 2u;
    kept = q.xywz;
  }
  let small = kept.xyz * select(1.0, -1.0, kept.w < 0.0) * (511.0 / SQRT_HALF);
  let steps = vec3u(clamp(round(small) + 511.0, vec3f(0.0), vec3f(1023.0)));
  return (largest << 30u) | steps.x | (steps.y << 10u) | (steps.z << 20u);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup.y * workgroups.x + workgroup.x;
  let count = min(state.key_count, table.count);
  if (chunk * CHUNK_SIZE >= count) {
    return;
  }
  if (lane < 7u) {
    atomicStore(&lowest[lane], 0xffffffffu);
    atomicStore(&highest[lane], 0u);
  }
  workgroupBarrier();

  let index = chunk * CHUNK_SIZE + lane;
  let row = order[min(index, count - 1u)]; // behind the last splat: it once more
  let position = load_position(row);
  let shape = load_shape(row);
  let floored = max(shape.log_scale, vec3f(LOG_SCALE_FLOOR));
  for (var axis = 0u; axis < 3u; axis++) {
    include(axis, position[axis]);
    include(3u + axis, shape.rgb[axis]);
    include(6u, floored[axis]);
  }
  workgroupBarrier();

  let position_low = low_vec3(0u);
  let position_step = (high_vec3(0u) - position_low) / POSITION_LEVELS;
  let place = quantised(position, position_low, position_step, POSITION_LEVELS);

  let log_scale_high = high_of(6u);
  let log_scale_low = max(low_of(6u), log_scale_high - LOG_SCALE_SPAN);
  let log_scale_span = log_scale_high - log_scale_low;
  let log_scale = max(floored, vec3f(log_scale_low));
  let scale = quantised(log_scale, vec3f(log_scale_low), log_scale_span / WIDE_LEVELS, WIDE_LEVELS);

  let rgb_low = low_vec3(3u);
  let rgb_step = (high_vec3(3u) - rgb_low) / WIDE_LEVELS;
  let rgb = quantised(shape.rgb, rgb_low, rgb_step, WIDE_LEVELS);

  let is_splat = index < count;
  let opacity = select(0u, u32(round(clamp(shape.opacity, 0.0, 1.0) * 255.0)), is_splat);
  geometry[index] = vec4u(
    place.x | (place.y << 16u),
    place.z | (opacity << 16u),
    pack_rotation(shape.rotation),
    pack_11_11_10(scale),
  );
  color[index] = pack_11_11_10(rgb);
  if (is_splat && index % table.sample_stride == 0u) {
    samples[index / table.sample_stride] = vec4f(position, shape.opacity);
  }
  if (lane == 0u) {
    chunks[chunk] = ChunkBox(
      vec4f(position_low, log_scale_low),
      vec4f(position_step, log_scale_span / 2047.0),
      vec4f(rgb_low, exp(log_scale_high) * DRAWN_SIGMAS),
      vec4f(rgb_step, 0.0),
    );
  }
}
