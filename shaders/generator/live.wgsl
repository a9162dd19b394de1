// Purpose: turn the live rows of each instance into the chunks that project and sort work on.
// Inputs: counts[instance], as the network gave them: below 0 is 0, above CAPACITY is CAPACITY.
// Outputs: `live`: indirect arguments for project and for the sort's first pass, and a row an
//   instance; `state.live_chunks`.
// Dispatch: one workgroup. Workgroup: 1: instances are few, and each needs the one before.
// Constants: CAPACITY, CHUNK_SIZE, INSTANCES, TILE_ROUNDS, TILES_A_WORKGROUP.

// #struct LiveArgs SortState

struct Live {
  args: LiveArgs,
  instances: array<vec2u>, // chunks of the instances before; live rows
}

@group(0) @binding(0) var<storage, read> counts: array<i32>;
@group(0) @binding(1) var<storage, read_write> live: Live;
@group(0) @binding(2) var<storage, read_write> state: SortState;

const MAX_WORKGROUPS: u32 = 65535u;

// So many workgroups over x then y.
fn grid(workgroups: u32) -> vec2u {
  let rows = (workgroups + MAX_WORKGROUPS - 1u) / MAX_WORKGROUPS;
  return vec2u((workgroups + max(rows, 1u) - 1u) / max(rows, 1u), rows);
}

@compute @workgroup_size(1)
fn main() {
  var chunks = 0u;
  for (var i = 0u; i < INSTANCES; i++) {
    let rows = u32(clamp(counts[i], 0, i32(CAPACITY)));
    live.instances[i] = vec2u(chunks, rows);
    chunks += (rows + CHUNK_SIZE - 1u) / CHUNK_SIZE;
  }
  let tiles = (chunks + TILE_ROUNDS - 1u) / TILE_ROUNDS;
  let project = grid(chunks);
  let sort = grid((tiles + TILES_A_WORKGROUP - 1u) / TILES_A_WORKGROUP);
  live.args = LiveArgs(project.x, project.y, 1u, chunks, sort.x, sort.y, 1u, tiles);
  state.live_chunks = chunks;
}
