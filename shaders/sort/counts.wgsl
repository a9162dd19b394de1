// The number of keys, and the indirect arguments that follow from it.
// Constants: SPLAT_VERTICES, TILE_ROUNDS.

const MAX_WORKGROUPS: u32 = 65535u;

fn write_counts(keys: u32) {
  let tiles = (keys + DIGITS * TILE_ROUNDS - 1u) / (DIGITS * TILE_ROUNDS);
  let rows = (tiles + MAX_WORKGROUPS - 1u) / MAX_WORKGROUPS;
  let columns = (tiles + max(rows, 1u) - 1u) / max(rows, 1u);
  state = SortState(keys, tiles, 0u, 0u);
  args = DrawArgs(columns, rows, 1u, 0u, keys * SPLAT_VERTICES, 1u, 0u, 0u);
}
