// A splat's alpha at one pixel: what splat/splat.wgsl blends there, without drawing it.
// Needs: the struct Splat, `splats`, `order`, `frame`, POINTS.

const LOG2_255: f32 = 7.99435344;
const BLOCK: u32 = 256u; // places of the order that a workgroup looks at

struct Places {
  places: array<vec4f, POINTS>, // x, y: 0 to 1 from the top left corner, or under 0: none; z, w unused
}

// Centre of the pixel that is picked at a place.
fn pixel_center(place: vec4f) -> vec2f {
  return min(floor(place.xy * frame.viewport_px), frame.viewport_px - 1.0) + 0.5;
}

fn alpha_of(row: u32, pixel_px: vec2f) -> f32 {
  let splat = splats[row];
  let major = unpack2x16float(splat.axes.x);
  let minor = unpack2x16float(splat.axes.y);
  let away = pixel_px - splat.center_px;
  // in the axes of the ellipse, whose edge is at 1
  let corner = vec2f(
    dot(away, major) / max(dot(major, major), 1e-12),
    dot(away, minor) / max(dot(minor, minor), 1e-12),
  );
  let log2_opacity = unpack2x16float(splat.color.y).y;
  let exponent = log2_opacity - dot(corner, corner) * max(log2_opacity + LOG2_255, 0.0);
  return select(min(0.99, exp2(exponent)), 0.0, exponent < -LOG2_255);
}

// What the splat at a place of the order lets through; all, where there is none.
fn let_through(place: u32, key_count: u32, pixel_px: vec2f) -> f32 {
  if (place >= key_count) {
    return 1.0;
  }
  return 1.0 - alpha_of(order[place], pixel_px);
}
