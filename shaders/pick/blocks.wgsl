// Purpose: picking, first part: what each 256 splats of the sorted order let through at a pixel.
// Inputs: the frame's splats in their order; `at`, places on the canvas.
// Output: `blocks`, a share of 0 to 1 for each 256 of the order; BLOCKS of them a place.
// Dispatch: one workgroup a block, over x then y; places over z. Workgroup: 256.
// Constants: BLOCKS, POINTS (places at most).
// Method: a product over a workgroup, halved step by step. pick/first.wgsl finds the splat among
//   them: two passes instead of a walk over a million splats by one lane.

// #struct Frame Splat SortState

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<uniform> at: Places;
@group(0) @binding(2) var<storage, read> splats: array<Splat>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read> state: SortState;
@group(0) @binding(5) var<storage, read_write> blocks: array<f32>;

// #include "pick/alpha.wgsl"

var<workgroup> shares: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = at.places[workgroup.z];
  if (place.x < 0.0) {
    return;
  }
  let block = workgroup.y * workgroups.x + workgroup.x;
  shares[lane] = let_through(block * BLOCK + lane, state.key_count, pixel_center(place));
  for (var half = BLOCK / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      shares[lane] *= shares[lane + half];
    }
  }
  if (lane == 0u && block * BLOCK < state.key_count) {
    blocks[workgroup.z * BLOCKS + block] = shares[0];
  }
}
