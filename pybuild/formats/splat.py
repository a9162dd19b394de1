"""The .splat format: 32 bytes a splat, no header, no harmonics, in PLY axes.

::

    0 position 3 f32 | 12 scale 3 f32, linear | 24 r g b opacity u8 | 28 w x y z u8, 128 is 0

Source: antimatter15/splat, convert.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pybuild.formats.bounds import Buffer, Progress, mapped
from pybuild.formats.intake import empty, finished
from pybuild.formats.quantised import bytes_of_logits, dc_of_rgb, logit_table, rgb_of_dc
from pybuild.gaussians import Gaussians
from pyengine.errors import malformed

__all__ = ["encode", "parse", "read", "write"]

_ROW = np.dtype(
    [("position", "<f4", 3), ("scale", "<f4", 3), ("rgb", "u1", 3), ("alpha", "u1"), ("q", "u1", 4)]
)


def read(
    path: str | os.PathLike[str], up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a file; see `parse`."""
    return parse(mapped(path), os.fspath(path), up, progress)


def parse(
    data: Buffer, name: str, up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a .splat in memory; parameters and errors as in `ply.parse`.

    A scale of 0 becomes a log-scale of -inf; a negative one is no scale and drops its splat.
    """
    if len(data) % _ROW.itemsize:
        raise malformed(
            name,
            "not a .splat file",
            wanted=f"a multiple of {_ROW.itemsize} bytes",
            got=f"{len(data)} bytes",
            hint="The file is truncated or of another format.",
        )
    rows = np.frombuffer(data, _ROW)
    result = empty(name, len(rows), 0)
    result.positions[:] = rows["position"]
    with np.errstate(divide="ignore", invalid="ignore"):
        np.log(rows["scale"], out=result.log_scales)
    result.sh[:, 0] = dc_of_rgb(rows["rgb"].astype(np.float32) / np.float32(255))
    result.opacity_logits[:] = logit_table()[rows["alpha"]]
    np.subtract(rows["q"], np.float32(128), out=result.quaternions)
    result.quaternions[:] /= 128
    if progress:
        progress(1.0)
    return finished(result, name, up)


def write(path: str | os.PathLike[str], gaussians: Gaussians) -> None:
    """Write a file; see `encode`."""
    Path(path).write_bytes(encode(gaussians))


def encode(gaussians: Gaussians) -> bytes:
    """The bytes of a .splat file, in the cloud's order; harmonics above degree 0 are lost."""
    rows = np.zeros(gaussians.count, _ROW)
    rows["position"] = gaussians.positions
    with np.errstate(over="ignore"):
        rows["scale"] = np.exp(gaussians.log_scales)
    rows["rgb"] = np.clip(np.rint(rgb_of_dc(gaussians.sh[:, 0]) * 255), 0, 255)
    rows["alpha"] = bytes_of_logits(gaussians.opacity_logits)
    rows["q"] = np.clip(np.rint(gaussians.quaternions * 128 + 128), 0, 255)
    return rows.tobytes()
