// Purpose: decide whether a filter's network runs: not while the image is like the one it last ran
//   on. After StreamDiffusion's stochastic similarity filter (arXiv 2312.12491), without chance
//   and without the host: the decision is the workgroups of the network's dispatches.
// Inputs: `image`, premultiplied colour and coverage; `kept`, what it was when the network last
//   ran, so that slow changes add up.
// Outputs: arguments[dispatch], its workgroups or none; `kept` where the network runs; counts[0]
//   runs, counts[1] rests.
// Dispatch: one workgroup. Workgroup: LANES, a few: each comes to the conclusion itself, so that
//   there is one barrier. A lane takes whole cells.
// Constants: CELLS_X, CELLS_Y, SIDE (points a cell, along x and y), DISPATCHES, LANES, LOCAL;
//   WORKGROUPS, a vec4u a dispatch.

// #struct FilterFrame

@group(0) @binding(0) var<uniform> frame: FilterFrame;
@group(0) @binding(1) var image: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> kept: array<vec4f>; // colour, 0 to 1; 0 or FAULT
@group(0) @binding(3) var<storage, read_write> arguments: array<vec4u>; // x, y, z, 0
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;

const CELLS: u32 = CELLS_X * CELLS_Y;
const POINTS: u32 = SIDE * SIDE; // of a cell
const FAULT: f32 = 1e9; // a colour that is no number: further than any tolerance, from itself too

struct Difference {
  sum: f32, // of all points
  largest: f32, // of the cells' sums
}

var<workgroup> of_lanes: array<Difference, LANES>;

// The texel of a point. Points are a grid, each shifted in fifths of its distance to the next: by
// 2 a row along x, by 3 a column along y. So no line of texels passes between them for long.
fn place(cell: u32, point: u32, size: vec2u) -> vec2u {
  let first = SIDE * vec2u(cell % CELLS_X, cell / CELLS_X);
  let at = first + vec2u(point % SIDE, point / SIDE);
  let shift = vec2u(2u * at.y, 3u * at.x) % vec2u(5u);
  return (2u * (5u * at + shift) + 1u) * size / (10u * SIDE * vec2u(CELLS_X, CELLS_Y));
}

// What the network would see there. Compilers may take it that no number is NaN, but not of bits.
fn sample(cell: u32, point: u32, size: vec2u) -> vec4f {
  let texel = textureLoad(image, place(cell, point, size), 0);
  let color = texel.rgb + (1.0 - texel.a) * frame.background.rgb;
  let exponent = bitcast<vec3u>(color) & vec3u(0x7f800000u);
  if (any(exponent == vec3u(0x7f800000u))) {
    return vec4f(0.0, 0.0, 0.0, FAULT);
  }
  return vec4f(clamp(color, vec3f(0.0), vec3f(1.0)), 0.0);
}

// The largest of the channels: a network sees them apart.
fn difference(a: vec4f, b: vec4f) -> f32 {
  let apart = abs(a.rgb - b.rgb);
  return max(max(apart.r, apart.g), max(apart.b, max(a.w, b.w)));
}

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  let size = textureDimensions(image);
  var own = Difference(0.0, 0.0);
  for (var cell = lane; cell < CELLS; cell += LANES) {
    var sum = 0.0;
    for (var point = 0u; point < POINTS; point++) {
      sum += difference(sample(cell, point, size), kept[point * CELLS + cell]);
    }
    own = Difference(own.sum + sum, max(own.largest, sum));
  }
  of_lanes[lane] = own;
  workgroupBarrier();
  var all = Difference(0.0, 0.0);
  for (var i = 0u; i < LANES; i++) {
    all = Difference(all.sum + of_lanes[i].sum, max(all.largest, of_lanes[i].largest));
  }
  let rests = frame.force == 0u && frame.tolerance > 0.0
    && all.sum <= frame.tolerance * f32(CELLS * POINTS)
    && all.largest <= frame.tolerance * LOCAL * f32(POINTS);
  for (var i = lane; i < DISPATCHES; i += LANES) {
    arguments[i] = select(WORKGROUPS[i], vec4u(0u), rests);
  }
  if (lane == 0u) {
    counts[u32(rests)] += 1u;
  }
  if (rests) {
    return;
  }
  for (var cell = lane; cell < CELLS; cell += LANES) {
    for (var point = 0u; point < POINTS; point++) {
      kept[point * CELLS + cell] = sample(cell, point, size);
    }
  }
}
