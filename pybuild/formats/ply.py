"""INRIA PLY: one row of scalars a splat, in PLY axes.

Properties are found by name, in any order and of any scalar type; other columns and elements are
skipped. ``f_rest`` is channel-major: all of red's coefficients, then green's, then blue's.

Source: Kerbl et al. 2023, the files of its reference implementation; comments ``SplatRenderMode``
(Brush) and ``antialiased`` (Postshot).
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pybuild.formats.bounds import Buffer, Progress, mapped
from pybuild.formats.intake import empty, finished
from pybuild.formats.ply_header import columns as columns_of
from pybuild.gaussians import Gaussians
from pyengine.errors import malformed
from pyengine.sources.ply import DEGREES, sh_columns
from pyengine.sources.ply_header import Element, Header, antialiased, located, parse_header
from pyengine.sources.source import Bytes

__all__ = ["encode", "parse", "read", "recognises", "write"]

_POSITION = ("x", "y", "z")
_SCALE = ("scale_0", "scale_1", "scale_2")
_ROTATION = ("rot_0", "rot_1", "rot_2", "rot_3")
_DC = ("f_dc_0", "f_dc_1", "f_dc_2")
_BLOCK = 8192

Columns = Callable[[str], NDArray[np.generic]]


def recognises(data: Buffer) -> bool:
    """Whether the first bytes are a PLY file's."""
    return bytes(data[:5]).replace(b"\r", b"")[:4] == b"ply\n"


def read(
    path: str | os.PathLike[str], up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a file; see `parse`."""
    return parse(mapped(path), os.fspath(path), up, progress)


def parse(
    data: Buffer, name: str, up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a PLY in memory.

    Parameters
    ----------
    data : bytes or memoryview
        The whole file.
    name : str
        What messages call it.
    up : str or None
        See `intake.finished`; the format's own axes are PLY's.
    progress : callable, optional
        Told the fraction done.

    Raises
    ------
    FormatError
        The file is damaged, or holds something else than Gaussians.
    """
    file = Bytes.of(data)
    header = parse_header(file, name)
    vertex = header.elements.get("vertex")
    if vertex is None:
        raise malformed(
            name,
            "no element 'vertex'",
            wanted="one row a splat",
            got=[label[:40] for label in list(header.elements)[:8]],
        )
    rest = sh_columns(vertex, name)
    mip = antialiased(header, name)
    if header.form == "ascii":
        blocks = _ascii_blocks(data, header, vertex, name)
    else:
        start = located(header, "vertex", file, name)
        blocks = _binary_blocks(columns_of(data, start, header, "vertex"), vertex.count)
    result = empty(name, vertex.count, DEGREES[rest], mip)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, columns in blocks:
            _fill(result, rows, columns, rest // 3)
            if progress:
                progress(rows.stop / vertex.count)
    return finished(result, name, up)


def _fill(result: Gaussians, rows: slice, columns: Columns, per_channel: int) -> None:
    """Copy a block of columns into the arrays of the result."""
    for labels, target in (
        (_POSITION, result.positions),
        (_SCALE, result.log_scales),
        (_ROTATION, result.quaternions),
        (_DC, result.sh[:, 0]),
    ):
        for axis, label in enumerate(labels):
            target[rows, axis] = columns(label)
    result.opacity_logits[rows] = columns("opacity")
    for channel in range(3):
        for k in range(per_channel):
            result.sh[rows, 1 + k, channel] = columns(f"f_rest_{channel * per_channel + k}")


def _binary_blocks(
    views: Mapping[str, NDArray[np.generic]], count: int
) -> Iterator[tuple[slice, Columns]]:
    """Blocks of rows as views into the file; a block's rows stay in the processor's cache."""
    for start in range(0, count, _BLOCK):
        rows = slice(start, min(start + _BLOCK, count))
        yield rows, lambda label, rows=rows: views[label][rows]  # type: ignore[misc]


def _ascii_blocks(
    data: Buffer, header: Header, vertex: Element, name: str
) -> Iterator[tuple[slice, Columns]]:
    """Blocks of rows parsed from text, one line a row."""
    width = len(vertex.columns)
    if vertex.stride_bytes < 0:
        raise malformed(name, "element 'vertex' has a list property", wanted="scalars only")
    text = bytes(data[header.data_byte :])
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    if text and not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    before = takewhile(lambda e: e is not vertex, header.elements.values())
    skipped = sum(element.count for element in before)
    if skipped + vertex.count > len(ends) or 2 * width * vertex.count > len(text) + 1:
        raise malformed(
            name,
            "the file ends inside element 'vertex'",
            wanted=f"{skipped + vertex.count} lines",
            got=f"{len(ends)} lines, {len(text)} bytes",
            hint="The file is truncated: download or export it again.",
        )
    return _parsed_lines(text, ends, skipped, vertex, name)


def _parsed_lines(
    text: bytes, ends: NDArray[np.intp], skipped: int, vertex: Element, name: str
) -> Iterator[tuple[slice, Columns]]:
    """The numbers of the vertex lines, a block of lines at a time."""
    place = {label: index for index, label in enumerate(vertex.columns)}
    for start in range(0, vertex.count, _BLOCK):
        rows = slice(start, min(start + _BLOCK, vertex.count))
        first = skipped + rows.start
        begin = int(ends[first - 1]) + 1 if first else 0
        try:
            part = text[begin : int(ends[skipped + rows.stop - 1])]
            numbers = np.fromstring(part.decode("ascii"), np.float32, sep=" ")
        except ValueError as error:
            raise malformed(
                name,
                f"rows {rows.start} to {rows.stop} hold something else than numbers",
                wanted=f"{len(place)} numbers a line",
            ) from error
        if numbers.size != len(place) * (rows.stop - rows.start):
            raise malformed(
                name,
                f"rows {rows.start} to {rows.stop} are incomplete",
                wanted=f"{len(place)} numbers a line",
                got=f"{numbers.size} numbers in {rows.stop - rows.start} lines",
            )
        table = numbers.reshape(-1, len(place))
        yield rows, lambda label, table=table: table[:, place[label]]  # type: ignore[misc]


def write(
    path: str | os.PathLike[str], gaussians: Gaussians, form: str = "binary_little_endian"
) -> None:
    """Write a file; see `encode`."""
    with Path(path).open("wb") as file:
        file.writelines(_encoded(gaussians, form))


def encode(gaussians: Gaussians, form: str = "binary_little_endian") -> bytes:
    """The bytes of a PLY file: exact, float32 throughout, no normals.

    Parameters
    ----------
    gaussians : Gaussians
        Written in PLY axes with the SH degree that it holds.
    form : str
        ``binary_little_endian``, ``binary_big_endian`` or ``ascii`` (nine digits: exact too).
    """
    return b"".join(_encoded(gaussians, form))


def _encoded(gaussians: Gaussians, form: str) -> Iterator[bytes]:
    """The header, then blocks of rows."""
    per_channel = gaussians.sh.shape[1] - 1
    rest = [f"f_rest_{i}" for i in range(3 * per_channel)]
    labels = [*_POSITION, *_DC, *rest, "opacity", *_SCALE, *_ROTATION]
    mip = "comment SplatRenderMode: mip\n" if gaussians.antialiased else ""
    properties = "".join(f"property float {label}\n" for label in labels)
    yield (
        f"ply\nformat {form} 1.0\n{mip}element vertex {gaussians.count}\n{properties}end_header\n"
    ).encode("ascii")
    for start in range(0, gaussians.count, _BLOCK):
        part = gaussians.take(np.arange(start, min(start + _BLOCK, gaussians.count)))
        table = np.concatenate(
            [
                part.positions,
                part.sh[:, 0],
                part.sh[:, 1:].transpose(0, 2, 1).reshape(part.count, -1),
                part.opacity_logits[:, None],
                part.log_scales,
                part.quaternions,
            ],
            axis=1,
        )
        if form == "ascii":
            lines = io.BytesIO()
            np.savetxt(lines, table, fmt="%.9g")
            yield lines.getvalue()
        else:
            yield table.astype(">f4" if form == "binary_big_endian" else "<f4").tobytes()
