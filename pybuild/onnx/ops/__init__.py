"""Lowerings by family; importing this package fills the registry of pybuild.onnx.lower."""

from __future__ import annotations

from pybuild.onnx.ops import (
    activations,
    arithmetic,
    conv,
    conv_transpose,
    einsum,
    elementwise,
    indexing,
    joining,
    logic,
    matmul,
    norms,
    pooling,
    quantised_linear,
    reductions,
    scattering,
    shapes,
    softmax,
    training,
    views,
)

__all__ = [
    "activations",
    "arithmetic",
    "conv",
    "conv_transpose",
    "einsum",
    "elementwise",
    "indexing",
    "joining",
    "logic",
    "matmul",
    "norms",
    "pooling",
    "quantised_linear",
    "reductions",
    "scattering",
    "shapes",
    "softmax",
    "training",
    "views",
]
