// From a covariance on the image to a splat: what all project shaders share.
// Needs: `frame`, the struct Splat.

const DEAD_KEY: u32 = 0xffffffffu;
const NEAR: f32 = 0.2; // world units; nearer centres are not drawn
const LOG2_255: f32 = 7.99435344;
const LN_2: f32 = 0.69314718;
const DILATION_PX2 = vec2f(0.3, 0.1); // classic, mip

struct Footprint {
  visible: bool,
  center_px: vec2f,
  major_px: vec2f, // eigenvectors of the covariance, to the edge of the ellipse
  minor_px: vec2f,
  log2_opacity: f32,
}

// What a Gaussian becomes: nothing, or a splat and the depth that it is sorted by.
struct Projection {
  visible: bool,
  depth: f32,
  splat: Splat,
}

// variance: xx, xy, yy in px², not dilated, of determinant sharp_det. antialiased: trained with the
// mip filter.
fn footprint_of(
  pos_view: vec3f, variance: vec3f, sharp_det: f32, opacity: f32, antialiased: bool,
) -> Footprint {
  var result: Footprint;
  result.visible = false;
  let dilation_px2 = select(DILATION_PX2.x, DILATION_PX2.y, antialiased);
  let blurred = variance + vec3f(dilation_px2, 0.0, dilation_px2);
  let det = sharp_det + dilation_px2 * (variance.x + variance.z + dilation_px2);
  var log2_opacity = log2(opacity);
  if (antialiased) {
    log2_opacity += 0.5 * log2(max(sharp_det / det, 1e-12));
  }
  let log2_gain = log2_opacity + LOG2_255; // alpha reaches 1/255 at q = 2 ln 2 * this
  if (!(log2_gain > 0.0)) {
    return result;
  }

  // Exact bounding box of the ellipse alpha = 1/255; it must hold a pixel centre of the canvas.
  let radius2 = 2.0 * LN_2 * log2_gain;
  let px_per_unit = frame.focal_px / pos_view.z;
  let center_px = pos_view.xy * px_per_unit + frame.principal_px;
  let reach_px = sqrt(radius2 * blurred.xz);
  let first = max(ceil(center_px - reach_px - 0.5), vec2f(0.0));
  let last = min(floor(center_px + reach_px - 0.5), frame.viewport_px - 1.0);
  if (!all(first <= last)) {
    return result;
  }

  // Eigenvectors of the covariance, scaled to the edge of that ellipse.
  let middle = 0.5 * (blurred.x + blurred.z);
  let spread = length(vec2f(0.5 * (blurred.x - blurred.z), blurred.y));
  let major2 = middle + spread;
  let minor2 = det / major2;
  var direction = vec2f(blurred.y, major2 - blurred.x);
  if (blurred.x > blurred.z) {
    direction = vec2f(major2 - blurred.z, blurred.y);
  }
  let direction_length = length(direction);
  direction = select(vec2f(1.0, 0.0), direction / direction_length, direction_length > 1e-6);
  result.visible = true;
  result.center_px = center_px;
  result.major_px = min(sqrt(radius2 * major2), 60000.0) * direction;
  result.minor_px = min(sqrt(radius2 * minor2), 60000.0) * vec2f(-direction.y, direction.x);
  result.log2_opacity = log2_opacity;
  return result;
}

fn splat_of(ellipse: Footprint, rgb: vec3f) -> Splat {
  let color = clamp(rgb, vec3f(0.0), vec3f(1000.0));
  return Splat(
    ellipse.center_px,
    vec2u(pack2x16float(ellipse.major_px), pack2x16float(ellipse.minor_px)),
    vec2u(pack2x16float(color.xy), pack2x16float(vec2f(color.z, ellipse.log2_opacity))),
  );
}

// Nearer splats have smaller keys.
fn key_of(depth: f32) -> u32 {
  let octaves = log2(depth / frame.key_near);
  return u32(clamp(octaves * frame.key_scale, 0.0, frame.key_max));
}
