// Purpose: count the pixels of a filtered image that are no finite numbers: not in steady frames.
// Input: `filtered`, see filtered.wgsl. Output: `faults`, added to.
// Dispatch: GROUPS workgroups of 64 threads, each thread on every (64 GROUPS)-th pixel.

@group(0) @binding(0) var<storage, read> filtered: array<u32>;
@group(0) @binding(1) var<storage, read_write> faults: atomic<u32>;

// #include "filter/filtered.wgsl"

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var count = 0u;
  for (var at = id.x; at < PIXELS; at += 64u * GROUPS) {
    count += select(1u, 0u, pixel_at(at).is_finite);
  }
  if (count > 0u) {
    atomicAdd(&faults, count);
  }
}
