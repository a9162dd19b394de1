"""Columns of a PLY file as numpy sees them; `pyengine.sources.ply_header` reads where they lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pybuild.formats.bounds import Buffer
from pyengine.sources.ply_header import Header

__all__ = ["columns"]

_CODES = ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


def columns(data: Buffer, offset: int, header: Header, name: str) -> dict[str, NDArray[np.generic]]:
    """Each property of an element's rows, (count,) in the file's type and order: views of ``data``.

    Parameters
    ----------
    data : bytes or memoryview
        The whole file.
    offset : int
        Byte where the rows start: `pyengine.sources.ply_header.located`.
    header : Header
        Of a binary file.
    name : str
        The element's.
    """
    element = header.elements[name]
    found: dict[str, NDArray[np.generic]] = {}
    for label, (byte, kind) in element.columns.items():
        type_: np.dtype[np.generic] = np.dtype(_ORDERS[header.form] + _CODES[kind])
        if not element.count:
            found[label] = np.empty(0, type_)
            continue
        found[label] = np.ndarray(
            (element.count,), type_, data, offset + byte, (element.stride_bytes,)
        )
    return found
