"""Gaussians to a SOG version 2 zip; the layout is described in `sog`."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pybuild.formats.codebook import palette, quantised_scalars, scalar_codebook
from pybuild.formats.morton import morton_order
from pybuild.formats.quantised import bytes_of_logits, smallest_three
from pybuild.formats.webp import encode_texture
from pybuild.gaussians import Gaussians

__all__ = ["encode", "write"]

_PALETTE_COLUMNS = 64
_PALETTE_SIZE = 1024
_SMALLEST_LOG_SCALE = -30.0
_EPOCH = (1980, 1, 1, 0, 0, 0)

Bytes = NDArray[np.uint8]


def write(path: str | os.PathLike[str], gaussians: Gaussians, reorder: bool = True) -> None:
    """Write a .sog; see `encode`."""
    Path(path).write_bytes(encode(gaussians, reorder))


def encode(gaussians: Gaussians, reorder: bool = True, palette_size: int = _PALETTE_SIZE) -> bytes:
    """The bytes of a .sog.

    Parameters
    ----------
    gaussians : Gaussians
        Log-scales below -30 are raised to it.
    reorder : bool
        Sort along a Morton curve, which makes the textures smooth and so the file small.
    palette_size : int
        Most entries of the SH palette, at most 65536; smaller clouds keep their own harmonics,
        exact but for the codebook.
    """
    cloud = gaussians.take(morton_order(gaussians.positions)) if reorder else gaussians
    log = np.copysign(np.log1p(np.abs(cloud.positions.astype(np.float64))), cloud.positions)
    mins, maxs = (log.min(axis=0), log.max(axis=0)) if cloud.count else (np.zeros(3), np.ones(3))
    unit = (log - mins) / np.where(maxs > mins, maxs - mins, 1)
    codes = np.rint(unit * 65535).astype(np.uint16)
    largest, three = smallest_three(cloud.quaternions)
    rotations = np.rint((three.astype(np.float64) * 2**0.5 + 1) * 127.5).clip(0, 255)
    scales = np.maximum(cloud.log_scales, np.float32(_SMALLEST_LOG_SCALE))
    scale_book, dc_book = scalar_codebook(scales), scalar_codebook(cloud.sh[:, 0])
    textures: dict[str, Bytes] = {
        "means_l": (codes & 255).astype(np.uint8),
        "means_u": (codes >> 8).astype(np.uint8),
        "quats": np.column_stack([rotations, largest + 252]).astype(np.uint8),
        "scales": quantised_scalars(scales, scale_book),
        "sh0": np.column_stack(
            [quantised_scalars(cloud.sh[:, 0], dc_book), bytes_of_logits(cloud.opacity_logits)]
        ),
    }
    meta: dict[str, object] = {
        "version": 2,
        "asset": {"generator": "Vitrine"},
        "count": cloud.count,
        "means": {
            "mins": mins.tolist(),
            "maxs": maxs.tolist(),
            "files": _files("means_l", "means_u"),
        },
        "scales": {"codebook": scale_book.tolist(), "files": _files("scales")},
        "quats": {"files": _files("quats")},
        "sh0": {"codebook": dc_book.tolist(), "files": _files("sh0")},
    }
    if cloud.antialiased:
        meta["model"] = "antialiased"
    width = max(4, int(np.ceil(np.sqrt(cloud.count) / 4)) * 4)
    images = {label: _image(table, width) for label, table in textures.items()}
    if cloud.sh_degree and cloud.count:
        meta["shN"], rest = _harmonics(cloud, width, palette_size)
        images |= rest
    return _zipped(images, meta)


def _files(*labels: str) -> list[str]:
    return [f"{label}.webp" for label in labels]


def _harmonics(
    cloud: Gaussians, width: int, palette_size: int
) -> tuple[dict[str, object], dict[str, bytes]]:
    """The meta entry and the two textures of the SH palette."""
    coefficients = cloud.sh.shape[1] - 1
    entries, labels = palette(cloud.sh[:, 1:].reshape(cloud.count, -1), palette_size)
    book = scalar_codebook(entries)
    texels = quantised_scalars(entries, book).reshape(-1, 3)
    meta: dict[str, object] = {
        "count": len(entries),
        "bands": cloud.sh_degree,
        "codebook": book.tolist(),
        "files": _files("shN_centroids", "shN_labels"),
    }
    split = np.column_stack([labels & 255, labels >> 8, np.zeros_like(labels)]).astype(np.uint8)
    return meta, {
        "shN_centroids": _image(texels, _PALETTE_COLUMNS * coefficients),
        "shN_labels": _image(split, width),
    }


def _image(table: Bytes, width: int) -> bytes:
    """A texture of (n, 3 or 4) bytes in rows of ``width``, opaque where there is no fourth."""
    height = max(4, -(-len(table) // width))
    texels = np.zeros((width * height, 4), np.uint8)
    texels[:, 3] = 255
    texels[: len(table), : table.shape[1]] = table
    return encode_texture(texels, width)


def _zipped(images: dict[str, bytes], meta: dict[str, object]) -> bytes:
    """A zip of stored entries, the same bytes for the same scene."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for label, image in images.items():
            archive.writestr(zipfile.ZipInfo(f"{label}.webp", _EPOCH), image)
        archive.writestr(zipfile.ZipInfo("meta.json", _EPOCH), json.dumps(meta))
    return file.getvalue()
