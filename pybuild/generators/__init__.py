"""Networks that make Gaussians: what their tensors mean, and programs that the renderer reads."""
