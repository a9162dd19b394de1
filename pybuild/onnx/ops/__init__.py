"""Lowerings by family; importing this package fills the registry of pybuild.onnx.lower."""

from __future__ import annotations

from pybuild.onnx.ops import elementwise, joining, views

__all__ = ["elementwise", "joining", "views"]
