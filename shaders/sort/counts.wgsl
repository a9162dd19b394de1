// The number of keys, and the indirect arguments that follow from it.
// Constants: SPLAT_VERTICES, TILE_ROUNDS.

const MAX_WORKGROUPS: u32 = 65535u;

fn write_counts(keys: u32) {
  let tiles = (keys + DIGITS * TILE_ROUNDS - 1u) / (DIGITS * TILE_ROUNDS);
  let rows = (tiles + MAX_WORKGROUPS - 1u) / MAX_WORKGROUPS;
  let columns = (tiles + max(rows, 1u) - 1u) / max(rows, 1u);
  state = SortState(keys, tiles, 0u, 0u);
  // Batches end at 1/16, 1/8, 1/4, 1/2 and all of the keys; see shaders/splat/mask.wgsl.
  let a = (keys / 16u) * SPLAT_VERTICES;
  let b = (keys / 8u) * SPLAT_VERTICES;
  let c = (keys / 4u) * SPLAT_VERTICES;
  let d = (keys / 2u) * SPLAT_VERTICES;
  let e = keys * SPLAT_VERTICES;
  args = DrawArgs(
    columns, rows, 1u, 0u,
    a, 1u, 0u, 0u,
    b - a, 1u, a, 0u,
    c - b, 1u, b, 0u,
    d - c, 1u, c, 0u,
    e - d, 1u, d, 0u,
  );
}
