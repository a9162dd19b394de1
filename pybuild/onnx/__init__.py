"""ONNX graphs to WGSL: model -> graph -> fuse -> kernels -> arena -> program."""
