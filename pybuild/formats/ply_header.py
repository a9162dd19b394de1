"""The text header of a PLY file: which elements it holds, and where their bytes lie.

Source: Greg Turk, "The PLY Polygon File Format", 1994.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pybuild.formats.bounds import Buffer
from pyengine.errors import malformed

__all__ = ["Element", "Header", "antialiased", "column", "locate", "parse_header"]

_HEADER_LIMIT_BYTES = 1 << 18
_TYPES = {
    label: code
    for labels, code in (
        (("char", "int8"), "i1"),
        (("uchar", "uint8"), "u1"),
        (("short", "int16"), "i2"),
        (("ushort", "uint16"), "u2"),
        (("int", "int32"), "i4"),
        (("uint", "uint32"), "u4"),
        (("float", "float32"), "f4"),
        (("double", "float64"), "f8"),
    )
    for label in labels
}
_FORMATS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its rows and what a row holds.

    Attributes
    ----------
    offsets : dict
        Byte offset in a row of each property, in file order.
    types : dict
        Scalar type of each property, in the file's byte order.
    stride_bytes : int
        Size of a row, or -1 if a list makes rows uneven.
    """

    name: str
    count: int
    offsets: dict[str, int]
    types: dict[str, np.dtype[np.generic]]
    stride_bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header; ``data_offset`` is the first byte after it."""

    form: str
    elements: tuple[Element, ...]
    comments: tuple[str, ...]
    data_offset: int

    def element(self, name: str) -> Element | None:
        """The element of that name, or None."""
        return next((e for e in self.elements if e.name == name), None)


def parse_header(data: Buffer, name: str) -> Header:
    """Read the header; nothing of the body is looked at.

    Raises
    ------
    FormatError
        It is no PLY header, or one that is inconsistent.
    """
    head = bytes(data[:_HEADER_LIMIT_BYTES])
    if not re.match(rb"ply\r?\n", head):
        raise malformed(name, "not a PLY file", wanted="'ply' as the first line", got=head[:8])
    end = re.search(rb"\nend_header[ \t]*\r?\n", head)
    if end is None:
        raise malformed(
            name,
            f"the PLY header does not end within {_HEADER_LIMIT_BYTES} bytes",
            wanted="a line 'end_header'",
            hint="The file is truncated or not a PLY file.",
        )
    form = ""
    comments: list[str] = []
    elements: dict[str, Element] = {}
    last = ""
    for line in head[: end.start()].decode("latin-1").splitlines()[1:]:
        words = line.split()
        keyword = words[0] if words else "comment"
        if keyword in ("comment", "obj_info"):
            comments.append(line.strip().partition(" ")[2].strip())
        elif keyword == "format" and len(words) == 3 and words[1] in _FORMATS and not form:
            form = words[1]
        elif keyword == "element" and len(words) == 3 and re.fullmatch(r"[0-9]{1,15}", words[2]):
            last = words[1]
            if last in elements:
                raise malformed(name, f"element '{last}' appears twice in the header")
            elements[last] = Element(last, int(words[2]), {}, {}, 0)
        elif keyword == "property" and form and elements:
            elements[last] = _with_property(elements[last], words, _FORMATS[form], name)
        else:
            raise malformed(
                name,
                f"the PLY header has a line that makes no sense here: {line[:80]!r}",
                wanted="format, element, property or comment",
            )
    if not form:
        raise malformed(name, "the PLY header has no 'format' line", wanted=sorted(_FORMATS))
    return Header(form, tuple(elements.values()), tuple(comments), end.end())


def _with_property(element: Element, words: list[str], order: str, name: str) -> Element:
    """The element with one more property, from the words of its header line."""
    listed = len(words) == 5 and words[1] == "list"
    if not listed and (len(words) != 3 or words[1] not in _TYPES):
        raise malformed(
            name,
            f"property of element '{element.name}' cannot be understood",
            wanted="'property TYPE NAME'",
            got=repr(" ".join(words)[:80]),
        )
    label = words[-1]
    if label in element.offsets:
        raise malformed(name, f"property '{label}' of element '{element.name}' appears twice")
    element.offsets[label] = element.stride_bytes
    if listed or element.stride_bytes < 0:
        return Element(element.name, element.count, element.offsets, element.types, -1)
    kind: np.dtype[np.generic] = np.dtype(order + _TYPES[words[1]])
    element.types[label] = kind
    stride = element.stride_bytes + kind.itemsize
    return Element(element.name, element.count, element.offsets, element.types, stride)


def locate(header: Header, element: Element, data: Buffer, name: str) -> int:
    """Byte where a binary element's rows start, once they are known to be all there."""
    offset = header.data_offset
    for other in header.elements:
        if other.stride_bytes < 0:
            raise malformed(
                name,
                f"element '{other.name}' has a list property",
                wanted=f"'{element.name}' before it, and no list in '{element.name}'",
                hint="Export the file again with the splats first.",
            )
        if other is element:
            break
        offset += other.count * other.stride_bytes
    wanted = element.count * element.stride_bytes
    if wanted > len(data) - offset:
        raise malformed(
            name,
            f"the file ends inside element '{element.name}'",
            wanted=f"{offset + wanted} bytes for {element.count} rows",
            got=f"{len(data)} bytes",
            hint="The file is truncated: download or export it again.",
        )
    return offset


def column(data: Buffer, offset: int, element: Element, label: str) -> NDArray[np.generic]:
    """One property of all rows, (count,), as a view into ``data``."""
    if not element.count:
        return np.empty(0, element.types[label])
    return np.ndarray(
        (element.count,),
        element.types[label],
        buffer=data,
        offset=offset + element.offsets[label],
        strides=(element.stride_bytes,),
    )


def antialiased(header: Header, name: str) -> bool:
    """Whether comments tag the scene as trained with the 2D mip filter; the last one wins."""
    mode = "default"
    for comment in header.comments:
        words = comment.lower().replace(":", ": ").split()
        if words[:1] == ["splatrendermode:"] and words[1:] in (["default"], ["mip"], ["2dgs"]):
            mode = words[1]
        elif words in (["antialiased", "0"], ["antialiased", "1"]):
            mode = "mip" if words[1] == "1" else "default"
    if mode == "2dgs":
        raise malformed(
            name,
            "comment 'SplatRenderMode: 2dgs' marks flat surfels",
            wanted="three-dimensional Gaussians",
            hint="Train or export the scene as 3DGS.",
        )
    return mode == "mip"
