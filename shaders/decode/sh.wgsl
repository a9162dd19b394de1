// Purpose: quantise the spherical harmonics of each splat to signed bytes under a scale of its own.
// Inputs: the file, SourceTable, the sorted rows and their number.
// Outputs: sh, coefficient-major with r, g, b inside; the scale's code in geometry.y. Exact oracle:
//   pybuild/pack.py. Bands of a file that are all zero stay: nobody looks before memory is taken.
// Dispatch: one workgroup a chunk, over x then y. Workgroup: CHUNK_SIZE = 256.
// Constants: CHUNK_SIZE, FORMAT, SH_COEFFICIENTS, SH_WORDS.

// #struct SourceTable SortState

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<uniform> table: SourceTable;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> state: SortState;
@group(0) @binding(4) var<storage, read_write> geometry: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> sh: array<u32>;

// #include "decode/source.wgsl"

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * CHUNK_SIZE + lane;
  if (index >= min(state.key_count, table.count)) {
    return;
  }
  let row = order[index];
  var largest = 0.0;
  for (var i = 0u; i < 3u * SH_COEFFICIENTS; i++) {
    largest = max(largest, abs(load_sh(row, i / 3u, i % 3u)));
  }
  if (!(largest > 0.0)) {
    return;
  }
  // unpack_sh_scale undoes this: the smallest code whose scale holds the largest coefficient.
  let code = clamp(ceil((log2(largest) + 12.0) * (255.0 / 16.0) - 1e-5), 1.0, 255.0);
  let steps_a_unit = 127.0 * exp2(12.0 - code * (16.0 / 255.0));
  geometry[index].y |= u32(code) << 24u;
  for (var word = 0u; word < SH_WORDS; word++) {
    var bytes = 0u;
    for (var j = 0u; j < 4u; j++) {
      let i = word * 4u + j;
      if (i < 3u * SH_COEFFICIENTS) {
        let steps = clamp(round(load_sh(row, i / 3u, i % 3u) * steps_a_unit), -127.0, 127.0);
        bytes |= (bitcast<u32>(i32(steps)) & 255u) << (j * 8u);
      }
    }
    sh[index * SH_WORDS + word] = bytes;
  }
}
