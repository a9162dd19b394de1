"""Networks on the rendered image: what their tensors mean, and programs that read the render."""
