// What the pages of other engines share: a camera from Vitrine's view JSON, and the next frame.

/** Camera to world of a y-up, z-back camera, from a view (x right, y down, z forward).
 * The world stays the file's, so no scene is turned. */
export function cameraOf({ view: m }) {
  const right = [m[0], m[4], m[8]];
  const up = [-m[1], -m[5], -m[9]];
  const back = [-m[2], -m[6], -m[10]];
  const eye = [0, 1, 2].map((k) => -(right[k] * m[12] - up[k] * m[13] - back[k] * m[14]));
  return { right, up, back, eye };
}

/** Vertical field of view, degrees. */
export const fovOf = ({ height, fy }) => (2 * Math.atan(height / (2 * fy)) * 180) / Math.PI;

export const animationFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));

/** Wait until all that this WebGL2 context was told is on the canvas: reading a pixel does. */
export function finish(gl) {
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
}
