// Purpose: the place of each splat on a Z curve of 1024³ cubes over the box of all of them.
// Inputs: the file, SourceTable, bounds (bounds.wgsl). In and out: keys, of which DEAD_KEY stays.
// Dispatch: one workgroup a chunk, over x then y. Workgroup: CHUNK_SIZE = 256.
// Constants: CHUNK_SIZE, FORMAT, SH_COEFFICIENTS. Oracle: pybuild/pack.py, with 2097152³ cubes.

// #struct SourceTable

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<uniform> table: SourceTable;
@group(0) @binding(2) var<storage, read> bounds: array<u32, 8>;
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;

// #include "decode/source.wgsl"
// #include "decode/ordered.wgsl"

const DEAD_KEY: u32 = 0xffffffffu;

// Put two zero bits between the bits of three numbers of ten bits.
fn spread_bits(value: vec3u) -> vec3u {
  var bits = value;
  bits = (bits | (bits << vec3u(16u))) & vec3u(0x030000ffu);
  bits = (bits | (bits << vec3u(8u))) & vec3u(0x0300f00fu);
  bits = (bits | (bits << vec3u(4u))) & vec3u(0x030c30c3u);
  return (bits | (bits << vec3u(2u))) & vec3u(0x09249249u);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup.y * workgroups.x + workgroup.x;
  let row = chunk * CHUNK_SIZE + lane;
  if (chunk >= table.chunk_count || row >= table.count || keys[row] == DEAD_KEY) {
    return;
  }
  let high = vec3f(from_ordered(bounds[0]), from_ordered(bounds[1]), from_ordered(bounds[2]));
  let low = vec3f(from_ordered(~bounds[3]), from_ordered(~bounds[4]), from_ordered(~bounds[5]));
  // Halves, so that the span of the largest floats stays one; one scale, so that cells are cubes.
  let span = 0.5 * high - 0.5 * low;
  let scale = 1023.0 / max(max(span.x, span.y), max(span.z, 1e-30));
  let steps = (0.5 * load_position(row) - 0.5 * low) * scale;
  let bits = spread_bits(vec3u(clamp(steps, vec3f(0.0), vec3f(1023.0))));
  keys[row] = bits.x | (bits.y << 1u) | (bits.z << 2u);
}
