"""RoiAlign and MaxRoiPool against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Agrees = Callable[..., None]
X = np.random.default_rng(10).normal(size=(2, 3, 8, 9)).astype(np.float32)
ROIS = np.array([[0, 0, 7, 7], [1.5, 2.2, 6.1, 4], [-2, -1, 3, 12], [4, 4, 4, 4]], np.float32)
BATCHES = np.array([0, 1, 1, 0], np.int64)


@pytest.mark.parametrize("static", [(), (1,)], ids=["run", "build"])
@pytest.mark.parametrize("transform", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("ratio", [0, 1, 3])
def test_roi_align(agrees: Agrees, ratio: int, mode: str, transform: str, static: Any) -> None:
    agrees(
        "RoiAlign",
        [X, ROIS, BATCHES],
        static=static,
        opset=16,
        mode=mode,
        coordinate_transformation_mode=transform,
        sampling_ratio=ratio,
        output_height=3,
        output_width=2,
        spatial_scale=0.8,
    )


def test_roi_align_before_opset_16(agrees: Agrees) -> None:
    how = {"sampling_ratio": 2, "output_height": 2, "output_width": 2}
    agrees("RoiAlign", [X, ROIS, BATCHES], opset=10, **how)


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("pooled", [[1, 1], [3, 2], [7, 7]])
def test_max_roi_pool(agrees: Agrees, pooled: list[int], scale: float) -> None:
    rois = np.concatenate([BATCHES[:, None].astype(np.float32), ROIS], 1)
    agrees("MaxRoiPool", [X, rois], pooled_shape=pooled, spatial_scale=scale)
