"""A committed generator, seen by onnxruntime and by the numpy renderer; no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.generators.describe import describe
from pybuild.reference import Ellipsoids, render, to_uint8
from pyengine.contract import Contract
from pyengine.view import View

Array = NDArray[Any]
ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "assets" / "generators"
LARGEST_BYTES = 1_500_000
CLOSE = 1e-3
"""Of a column's largest magnitude: the GPU against onnxruntime."""
FRAME_DB = 40
"""The bar of a frame, drawn by the renderer of onnxruntime's Gaussians."""


def contract_of(path: Path) -> Contract:
    """What the file says, after a look at its size: everyone who clones downloads it."""
    assert path.stat().st_size <= LARGEST_BYTES
    return describe(path)


class Oracle:
    """onnxruntime on the processor."""

    def __init__(self, path: Path) -> None:
        runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.contract = contract_of(path)

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        """Arrays by role without ``gaussian.``, or ``state.NAME``; activations applied, float64."""
        names = [product.name for product in self.contract.outputs]
        rows = {}
        for product, value in zip(
            self.contract.outputs, self._session.run(names, inputs), strict=True
        ):
            array = np.asarray(value)
            if product.role != "gaussian.count":
                array = _activated(array.astype(np.float64), product.activation)
            key = product.role.removeprefix("gaussian.")
            rows[f"state.{product.name}" if key == "state" else key] = array
        return rows


def _activated(array: Array, activation: str) -> Array:
    if activation == "exp":
        return np.exp(array)
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-array))
    if activation == "normalize":
        return array / np.linalg.norm(array, axis=-1, keepdims=True)
    return array


def packed(rows: dict[str, Array]) -> Array:
    """Position, opacity and covariance, as the project pass reads them: (N, 10) float64."""
    if "packed" in rows:
        return rows["packed"]
    if "covariance" in rows:
        covariance = rows["covariance"]
    else:
        w, x, y, z = (rows["rotation"] / np.linalg.norm(rows["rotation"], axis=1)[:, None]).T
        turn = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        ).transpose(2, 0, 1)
        half = turn * rows["scale"][:, None, :]
        covariance = (half @ half.transpose(0, 2, 1)).reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]]
    opacity = rows["opacity"].reshape(-1, 1)
    return np.concatenate([rows["position"], opacity, covariance], axis=1)


def ellipsoids(rows: dict[str, Array]) -> Ellipsoids:
    """The living, for `pybuild.reference`."""
    alive = slice(int(rows["count"].reshape(-1)[0]) if "count" in rows else None)
    shade = rows["sh"] if "sh" in rows else rows["color"]
    return Ellipsoids.of_packed(packed(rows)[alive], shade[alive])


def relative_error(got: Array, wanted: Array) -> float:
    """Largest difference as a share of the largest magnitude."""
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def psnr(image: Array, wanted: Array) -> float:
    """Decibels between images of 0 to 255."""
    error = np.mean((image.astype(np.float64) - wanted.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-12)))


def assert_same_rows(packs: Array, shade: Array, wanted: dict[str, Array]) -> None:
    """Rows that the GPU made against the first ones of onnxruntime's.

    Parameters
    ----------
    packs : (n, 10)
    shade : (n, 3) or (n, k, 3)
        Colours or SH.
    wanted : dict
        Of an `Oracle`.
    """
    rows = packed(wanted)[: len(packs)]
    for columns in (slice(0, 3), slice(3, 4), slice(4, 10)):
        assert relative_error(packs[:, columns], rows[:, columns]) < CLOSE
    colours = wanted["sh"] if "sh" in wanted else wanted["color"]
    assert relative_error(shade, colours[: len(shade)]) < CLOSE


def drawn(
    rows: dict[str, Array], view: View, background: tuple[float, float, float] | None
) -> Array:
    """An `Oracle`'s Gaussians as the reference draws them: 8-bit pixels."""
    return to_uint8(render(ellipsoids(rows), view, background or (0, 0, 0)))
