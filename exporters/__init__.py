"""Generators in PyTorch: small families of networks that make Gaussians, and their way to ONNX."""
