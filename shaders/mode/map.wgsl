// Colour maps of the render modes, from 0 to 1. Both grow steadily lighter.

// Cubehelix with its author's constants: brightness rises evenly while the hue goes round.
// Source: D. A. Green, "A colour scheme for the display of astronomical intensity images", 2011.
fn cubehelix(value: f32) -> vec3f {
  let angle = 6.28318531 * (0.5 / 3.0 + 1.0 - 1.5 * value);
  let amplitude = 0.5 * value * (1.0 - value);
  let c = cos(angle) * amplitude;
  let s = sin(angle) * amplitude;
  let color = value + vec3f(-0.14861 * c + 1.78277 * s, -0.29227 * c - 0.90649 * s, 1.97294 * c);
  return clamp(color, vec3f(0.0), vec3f(1.0));
}

// Black, red, yellow, white.
fn heat(value: f32) -> vec3f {
  return clamp(3.0 * value - vec3f(0.0, 1.0, 2.0), vec3f(0.0), vec3f(1.0));
}
