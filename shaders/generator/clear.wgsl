// Purpose: a state before its first step: zeros.
// Output: state. Dispatch: 64 words an invocation group, over x then y. Workgroup: 64.

@group(0) @binding(0) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
  if (index < arrayLength(&words)) {
    words[index] = 0u;
  }
}
