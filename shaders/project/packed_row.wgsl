// A packed Gaussian to its ellipse, and its chunk against the canvas: what project.wgsl and
// objects.wgsl share. The space that the Gaussians stand in is the scene's or the object's; its map
// to the camera's may be any affine one.
// Needs: `frame`, the struct ChunkBox.

// #include "project/unpack.wgsl"
// #include "project/footprint.wgsl"

// True when no centre of the chunk can put a pixel on the canvas. Conservative: the footprint of a
// splat is bounded by its largest radius times the largest stretch that the clamped Jacobian allows.
// center_view: of the box, which reaches half_size about it. linear: from its space to the camera's.
// radius: the largest of a Gaussian, in the camera's space.
fn is_off_canvas(center_view: vec3f, half_size: vec3f, linear: mat3x3f, radius: f32) -> bool {
  let extent = vec3f(
    dot(abs(vec3f(linear[0].x, linear[1].x, linear[2].x)), half_size),
    dot(abs(vec3f(linear[0].y, linear[1].y, linear[2].y)), half_size),
    dot(abs(vec3f(linear[0].z, linear[1].z, linear[2].z)), half_size),
  ) * 1.0001;
  let z_max = center_view.z + extent.z;
  if (z_max <= NEAR) {
    return true;
  }
  let stretch = sqrt(vec2f(1.0) + frame.tangent_limit * frame.tangent_limit);
  let reach = extent.xy + radius * frame.splat_scale * stretch;
  let low = (frame.principal_px + 2.0) / frame.focal_px;
  let high = (frame.viewport_px - frame.principal_px + 2.0) / frame.focal_px;
  let beyond_low = -center_view.xy - reach > max(low * z_max, low * NEAR);
  let beyond_high = center_view.xy - reach > max(high * z_max, high * NEAR);
  return any(beyond_low) || any(beyond_high);
}

// Where a Gaussian of a chunk stands, in the space of its box.
fn position_of(words: vec4u, box: ChunkBox) -> vec3f {
  let steps = vec3f(f32(words.x & 0xffffu), f32(words.x >> 16u), f32(words.y & 0xffffu));
  return box.position_min.xyz + steps * box.position_step.xyz;
}

// Covariance on the image: J W A R S S^T R^T A^T W^T J^T, as the columns of J W A R S. linear: W A,
// from the Gaussian's space to the camera's.
fn ellipse_of(
  words: vec4u, box: ChunkBox, pos_view: vec3f, linear: mat3x3f, opacity: f32, antialiased: bool,
) -> Footprint {
  let log_scale = box.position_min.w
    + unpack_11_11_10(words.w) * box.position_step.w * vec3f(1.0, 1.0, 2047.0 / 1023.0);
  let sigma = exp(log_scale) * frame.splat_scale;
  let axes_view = linear * unpack_rotation(words.z);
  let tangent = clamp(pos_view.xy / pos_view.z, -frame.tangent_limit, frame.tangent_limit);
  let px_per_unit = frame.focal_px / pos_view.z;
  let u = px_per_unit * (axes_view[0].xy - tangent * axes_view[0].z) * sigma.x;
  let v = px_per_unit * (axes_view[1].xy - tangent * axes_view[1].z) * sigma.y;
  let w = px_per_unit * (axes_view[2].xy - tangent * axes_view[2].z) * sigma.z;
  // xx, xy, yy in px²
  let variance = u.xxy * u.xyy + v.xxy * v.xyy + w.xxy * w.xyy;
  // Determinants as sums of squares (Cauchy-Binet): xx * zz - xy² has no digit left of a needle.
  let areas = vec3f(u.x * v.y - u.y * v.x, v.x * w.y - v.y * w.x, w.x * u.y - w.y * u.x);
  return footprint_of(pos_view, variance, dot(areas, areas), opacity, antialiased);
}
