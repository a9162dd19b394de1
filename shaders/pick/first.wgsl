// Purpose: picking, second part: the nearest splat with which the coverage of a pixel passes half.
// Inputs: `blocks` of pick/blocks.wgsl, the sorted order, keys by row as project leaves them, and in
//   a scene of several objects where the rows of each begin.
// Output: `found`, a word a place: the splat's key in the low 24 bits, its object in the high 8 (255:
//   beyond the 255th); NOTHING where the coverage stays under half.
// Dispatch: one workgroup a place, over z. Workgroup: 256. Constants: OBJECTS (0: a scene of one
//   file), BLOCKS, POINTS.
// Method: each lane multiplies a run of blocks, one lane walks the 256 runs, then the run, then the
//   256 splats of the block: the exact place, in some 600 steps for six million splats.

// #struct Frame Splat SortState SceneObject

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<uniform> at: Places;
@group(0) @binding(2) var<storage, read> splats: array<Splat>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read> state: SortState;
@group(0) @binding(5) var<storage, read> blocks: array<f32>;
@group(0) @binding(6) var<storage, read> keys: array<u32>;
@group(0) @binding(7) var<storage, read> objects: array<SceneObject>; // never read where OBJECTS is 0
@group(0) @binding(8) var<storage, read_write> found: array<u32>;

// #include "pick/alpha.wgsl"

const NOTHING: u32 = 0xffffffffu;
const KEY_MASK: u32 = 0xffffffu;
const HALF: f32 = 0.5; // what is left of the light behind the splat that is picked, at most

var<workgroup> shares: array<f32, 256>;
var<workgroup> chosen: u32;
var<workgroup> before: f32;

// The object whose rows begin last before a row.
fn object_of(row: u32) -> u32 {
  var index = 0u;
  var first = 0u;
  for (var i = 0u; i < OBJECTS; i++) {
    let begin = objects[i].first_row;
    if (begin <= row && begin >= first) {
      index = i;
      first = begin;
    }
  }
  return min(index, 255u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let place = at.places[workgroup.z];
  if (place.x < 0.0) {
    return;
  }
  let first_block = workgroup.z * BLOCKS;
  let count = (state.key_count + BLOCK - 1u) / BLOCK;
  let run = (count + BLOCK - 1u) / BLOCK;
  var share = 1.0;
  for (var i = lane * run; i < min((lane + 1u) * run, count); i++) {
    share *= blocks[first_block + i];
  }
  shares[lane] = share;
  workgroupBarrier();

  if (lane == 0u) {
    chosen = NOTHING;
    var left = 1.0;
    for (var i = 0u; i < BLOCK; i++) {
      if (left * shares[i] <= HALF) {
        for (var j = i * run; j < min((i + 1u) * run, count); j++) {
          let through = blocks[first_block + j];
          if (left * through <= HALF) {
            chosen = j;
            break;
          }
          left *= through;
        }
        break;
      }
      left *= shares[i];
    }
    before = left;
  }
  workgroupBarrier();

  let block = select(chosen, 0u, chosen == NOTHING);
  shares[lane] = let_through(block * BLOCK + lane, state.key_count, pixel_center(place));
  workgroupBarrier();

  if (lane == 0u) {
    var word = NOTHING;
    var left = before;
    for (var i = 0u; chosen != NOTHING && i < BLOCK; i++) {
      left *= shares[i];
      // a product of 256 in another order may end a bit above: the last splat that covers then is it
      if (shares[i] < 1.0) {
        let row = order[block * BLOCK + i];
        word = (object_of(row) << 24u) | min(keys[row] & KEY_MASK, KEY_MASK - 1u);
        if (left <= HALF) {
          break;
        }
      }
    }
    found[workgroup.z] = word;
  }
}
