"""GridSample and AffineGrid against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

Agrees = Callable[..., None]
RANDOM = np.random.default_rng(9)
X = RANDOM.normal(size=(2, 2, 4, 6)).astype(np.float32)
GRID = RANDOM.uniform(-2.2, 2.2, (2, 3, 5, 2)).astype(np.float32)
EDGES = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1.5, 1.5, 7)), -1)[None]

paddings = pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
aligned = pytest.mark.parametrize("align", [0, 1])


@paddings
@aligned
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_images(agrees: Agrees, mode: str, padding: str, align: int) -> None:
    how = {"mode": mode, "padding_mode": padding, "align_corners": align}
    agrees("GridSample", [X, GRID], opset=16, **how)
    small = X[:1, :, :2, :1] if not align else X[:1, :, :2, :2]
    agrees("GridSample", [small, GRID[:1]], opset=16, **how)
    agrees("GridSample", [X[:1], EDGES.astype(np.float32)], opset=16, **how)


@paddings
@aligned
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_volumes(agrees: Agrees, mode: str, padding: str, align: int) -> None:
    volume = RANDOM.normal(size=(1, 2, 3, 4, 2)).astype(np.float32)
    grid = RANDOM.uniform(-1.8, 1.8, (1, 2, 3, 2, 3)).astype(np.float32)
    how = {"mode": mode, "padding_mode": padding, "align_corners": align}
    agrees("GridSample", [volume, grid], opset=20, **how)


def test_opset_20_by_default(agrees: Agrees) -> None:
    agrees("GridSample", [X, GRID], opset=20)
    agrees("GridSample", [X, GRID], opset=20, mode="cubic", align_corners=1)


@aligned
@pytest.mark.parametrize("sizes", [(3, 4), (2, 3, 4)])
def test_affine_grid(agrees: Agrees, sizes: tuple[int, ...], align: int) -> None:
    rank = len(sizes)
    theta = RANDOM.normal(size=(2, rank, rank + 1)).astype(np.float32)
    size = np.array([2, 3, *sizes], np.int64)
    agrees("AffineGrid", [theta, size], static=[1], opset=20, align_corners=align)
