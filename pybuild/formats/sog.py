"""SOG, versions 1 and 2: a folder or zip of lossless WebP textures, a texel a splat, in PLY axes.

::

    means_l, means_u  low and high bytes of sign(p) ln(|p| + 1) between bounds
    quats             three smallest of w, x, y, z within ±1/√2; alpha 252 + the largest's index
    scales            three bytes into a codebook of log-scales
    sh0               three bytes into a codebook of DC; alpha is the opacity
    shN_labels        red + 256 green is an entry of the palette
    shN_centroids     64 entries a row, K texels each: r, g, b bytes into a codebook

Source: PlayCanvas, SOG format; splat-transform's readers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pybuild.formats.bounds import (
    FACTOR,
    SLACK_BYTES,
    Buffer,
    Progress,
    check_budget,
    mapped,
    splat_bytes,
)
from pybuild.formats.intake import empty, finished
from pybuild.formats.quantised import quaternions_of_three
from pybuild.formats.sog_meta import META_LIMIT_BYTES, Meta, parse_meta
from pybuild.formats.sog_writer import encode, write
from pybuild.formats.webp import decode_texture, texture_size
from pybuild.formats.zip_entries import ZipEntries
from pybuild.gaussians import Gaussians
from pyengine.errors import malformed

__all__ = ["encode", "parse", "read", "recognises", "write"]

_TEXEL_BYTES = 24
"""What decoding one texel costs: the decoder's two canvases and three copies of the result."""

_PALETTE_COLUMNS = 64
_BLOCK = 8192

Texels = NDArray[np.uint8]
Texture = Callable[[str], Texels]


def recognises(data: Buffer) -> bool:
    """Whether the first bytes are a zip file's."""
    return bytes(data[:4]) == b"PK\x03\x04"


def read(
    path: str | os.PathLike[str], up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a .sog, or a folder with a meta.json, or that meta.json; see `parse`."""
    place = Path(path)
    if place.is_dir():
        streamed = place / "lod-meta.json"
        place = place / "meta.json"
        if streamed.is_file() and not place.exists():
            place = streamed  # whose message says what to do
    if place.suffix.lower() != ".json":
        return parse(mapped(place), os.fspath(path), up, progress)
    text = mapped(place)
    meta = parse_meta(bytes(text[: META_LIMIT_BYTES + 1]), os.fspath(place))
    files = {label: mapped(place.parent / file) for label, file in meta.files.items()}
    size = len(text) + sum(map(len, files.values()))
    return _decoded(meta, files.__getitem__, size, os.fspath(path), up, progress)


def parse(
    data: Buffer, name: str, up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a .sog (a zip) in memory; parameters and errors as in `ply.parse`."""
    entries = ZipEntries(data, name)
    meta = parse_meta(entries.read("meta.json", META_LIMIT_BYTES), name)
    limit = FACTOR * len(data) + SLACK_BYTES

    def fetch(label: str) -> bytes:
        return entries.read(meta.files[label], limit)

    return _decoded(meta, fetch, len(data), name, up, progress)


def _decoded(
    meta: Meta,
    fetch: Callable[[str], Buffer],
    file_bytes: int,
    name: str,
    up: str | None,
    progress: Progress | None,
) -> Gaussians:
    """Decode the textures, one at a time, into the arrays of a cloud."""

    def texture(label: str, texels: int) -> Texels:
        data, where = fetch(label), f"{name}: {meta.files[label]}"
        width, height = texture_size(data, where)
        needed = len(data) + _TEXEL_BYTES * width * height + meta.count * splat_bytes(degree)
        check_budget(where, file_bytes, needed, f"a texture of {width} x {height}")
        if width * height < texels:
            raise malformed(
                where, "the texture is too small", wanted=f"{texels} texels", got=width * height
            )
        return decode_texture(data, where)

    degree = meta.bands
    if degree < 0:
        width = texture_size(fetch("shN_centroids"), name)[0]
        degree = {192: 1, 512: 2, 960: 3}.get(width, -1)
    if degree < 0:
        raise malformed(name, "SH palette is of no degree", wanted="width 192, 512, 960", got=width)
    check_budget(name, file_bytes, meta.count * splat_bytes(degree), f"{meta.count} splats")
    result = empty(name, meta.count, degree, meta.antialiased)
    steps = [_decode_positions, _decode_rotations, _decode_scales, _decode_colours]
    for index, step in enumerate([*steps, _decode_harmonics] if degree else steps):
        step(result, meta, texture, name)
        if progress:
            progress((index + 1) / (len(steps) + (degree > 0)))
    return finished(result, name, up)


def _decode_positions(
    result: Gaussians, meta: Meta, texture: Callable[..., Texels], _: str
) -> None:
    low, high = (texture(label, meta.count)[: meta.count, :3] for label in ("means_l", "means_u"))
    for axis in range(3):
        t = (low[:, axis] + high[:, axis] * np.float64(256)) / 65535
        value = meta.mins[axis] * (1 - t) + meta.maxs[axis] * t
        result.positions[:, axis] = np.copysign(np.expm1(np.abs(value)), value)


def _decode_rotations(
    result: Gaussians, meta: Meta, texture: Callable[..., Texels], _: str
) -> None:
    texels = texture("quats", meta.count)[: meta.count]
    for start in range(0, meta.count, _BLOCK):
        part = texels[start : start + _BLOCK]
        three = (part[:, :3] * np.float32(2 / 255) - 1) * np.float32(0.5**0.5)
        largest = part[:, 3].astype(np.intp) - 252
        rotations = quaternions_of_three(np.maximum(largest, 0), three)
        rotations[largest < 0] = (1, 0, 0, 0)
        result.quaternions[start : start + _BLOCK] = rotations


def _decode_scales(result: Gaussians, meta: Meta, texture: Callable[..., Texels], _: str) -> None:
    texels = texture("scales", meta.count)[: meta.count]
    for axis in range(3):
        result.log_scales[:, axis] = meta.scales[axis][texels[:, axis]]


def _decode_colours(result: Gaussians, meta: Meta, texture: Callable[..., Texels], _: str) -> None:
    texels = texture("sh0", meta.count)[: meta.count]
    for channel in range(3):
        result.sh[:, 0, channel] = meta.colours[channel][texels[:, channel]]
    result.opacity_logits[:] = meta.colours[3][texels[:, 3]]


def _decode_harmonics(
    result: Gaussians, meta: Meta, texture: Callable[..., Texels], name: str
) -> None:
    coefficients = result.sh.shape[1] - 1
    rows = -(-meta.palette // _PALETTE_COLUMNS)
    row_texels = _PALETTE_COLUMNS * coefficients
    centroids = texture("shN_centroids", rows * row_texels)
    if len(centroids) % row_texels:
        raise malformed(
            name,
            "the SH palette has a wrong width",
            wanted=row_texels,
            got=f"{len(centroids)} texels",
        )
    palette = centroids[:, :3].reshape(-1, coefficients, 3)
    entries = meta.palette or len(palette)
    labels = texture("shN_labels", meta.count)[: meta.count]
    for start in range(0, meta.count, _BLOCK):
        part = labels[start : start + _BLOCK].astype(np.intp)
        entry = part[:, 0] + 256 * part[:, 1]
        if entry.max(initial=0) >= entries:
            raise malformed(
                name,
                "an SH label is outside the palette",
                wanted=f"below {entries}",
                got=entry.max(),
            )
        result.sh[start : start + _BLOCK, 1:] = meta.harmonics[palette[entry]]
