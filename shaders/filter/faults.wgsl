// Purpose: count the numbers of a filtered image that are not finite: once, when the filter is new.
// Input: `filtered`, f32 bits. Output: `faults`, added to.
// Dispatch: GROUPS workgroups of 64 threads, each thread on every (64 GROUPS)-th number.

@group(0) @binding(0) var<storage, read> filtered: array<u32>;
@group(0) @binding(1) var<storage, read_write> faults: atomic<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var count = 0u;
  for (var at = id.x; at < NUMBERS; at += 64u * GROUPS) {
    count += select(0u, 1u, (filtered[at] & 0x7f800000u) == 0x7f800000u);
  }
  if (count > 0u) {
    atomicAdd(&faults, count);
  }
}
