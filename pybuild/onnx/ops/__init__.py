"""Lowerings by family; importing this package fills the registry of pybuild.onnx.lower."""

from __future__ import annotations

from pybuild.onnx.ops import activations, arithmetic, elementwise, logic

__all__ = ["activations", "arithmetic", "elementwise", "logic"]
