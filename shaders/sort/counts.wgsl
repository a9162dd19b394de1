// The number of keys, and the indirect arguments that follow from it.
// Constants: BATCHES, SPLAT_VERTICES, TILE_ROUNDS.

const MAX_WORKGROUPS: u32 = 65535u;

fn write_counts(keys: u32) {
  let tiles = (keys + DIGITS * TILE_ROUNDS - 1u) / (DIGITS * TILE_ROUNDS);
  let rows = (tiles + MAX_WORKGROUPS - 1u) / MAX_WORKGROUPS;
  let columns = (tiles + max(rows, 1u) - 1u) / max(rows, 1u);
  state.key_count = keys;
  state.tile_count = tiles;
  args.dispatch_x = columns;
  args.dispatch_y = rows;
  args.dispatch_z = 1u;
  for (var batch = 0u; batch < BATCHES; batch++) {
    let first = (keys * batch) / BATCHES * SPLAT_VERTICES;
    let last = (keys * (batch + 1u)) / BATCHES * SPLAT_VERTICES;
    args.draws[batch] = vec4u(last - first, 1u, first, 0u);
  }
}
