"""Lossless WebP textures of bytes, their size checked before anything is decoded.

Source: RFC 9649 (WebP), sections 2.3 to 2.7 for the container and 3.4 for the lossless header.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pybuild.formats.bounds import Buffer
from pyengine.errors import malformed

__all__ = ["decode_texture", "encode_texture", "texture_size"]

Texels = NDArray[np.uint8]


def texture_size(data: Buffer, name: str) -> tuple[int, int]:
    """Width and height of a lossless WebP, from its headers alone.

    Raises
    ------
    FormatError
        It is no still, lossless WebP.
    """
    if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"WEBP":
        raise malformed(name, "not a WebP image", wanted="RIFF....WEBP", got=bytes(data[:12]))
    canvas = None
    offset = 12
    while offset + 8 <= len(data):
        kind, length = bytes(data[offset : offset + 4]), _u32(data, offset + 4)
        if kind == b"VP8L" and offset + 13 <= len(data) and data[offset + 8] == 0x2F:
            bits = _u32(data, offset + 9)
            size = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            if canvas not in (None, size):
                raise malformed(name, "the WebP has two sizes", wanted=canvas, got=size)
            return size
        if kind == b"VP8X" and offset == 12 and len(data) >= 30:
            canvas = (_u32(data, 24) & 0xFFFFFF) + 1, (_u32(data, 26) >> 8) + 1
        elif kind in (b"VP8 ", b"ANIM", b"ANMF", b"VP8X", b"VP8L"):
            break
        offset += 8 + length + length % 2
    raise malformed(
        name, "the WebP is not a still, lossless image", wanted="VP8L", hint="Export again."
    )


def _u32(data: Buffer, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def decode_texture(data: Buffer, name: str) -> Texels:
    """Decode a lossless WebP, without any colour management.

    Returns
    -------
    (height * width, 4) uint8, row by row: red, green, blue, alpha
    """
    wanted = texture_size(data, name)
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            if image.size != wanted:
                raise malformed(name, "the WebP has two sizes", wanted=wanted, got=image.size)
            return np.asarray(image.convert("RGBA")).reshape(-1, 4)
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        MemoryError,
        RuntimeError,
        Image.DecompressionBombError,
    ) as error:
        raise malformed(name, f"the WebP image is damaged ({error})") from error


def encode_texture(texels: Texels, width: int) -> bytes:
    """A lossless WebP of (height * width, 4) bytes; colours below alpha 0 are kept."""
    image = Image.fromarray(texels.reshape(-1, width, 4), "RGBA")
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True, exact=True, quality=60, method=3)
    return file.getvalue()
