"""The text header of a PLY file: its elements, and where their bytes lie.

The page and the build read it here; pybuild/formats/ply_header.py has numpy's view of a column.
Source: Greg Turk, "The PLY Polygon File Format", 1994.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pyengine.errors import malformed
from pyengine.sources.source import BUILD_HINT, Bytes

__all__ = ["Element", "Header", "antialiased", "binary_header", "located", "parse_header"]

_LIMIT_BYTES = 1 << 18
_NAMES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
_ALIASES = ("char", "uchar", "short", "ushort", "int", "uint", "float", "double")
TYPES = {name: code for names in (_NAMES, _ALIASES) for code, name in enumerate(names)}
"""Codes of the scalar types, as shaders/decode/bytes.wgsl has them."""
LIST = -1
"""The code of a list, whose size is another one in each row."""
SIZES = (1, 1, 2, 2, 4, 4, 4, 8)
_FORMATS = ("ascii", "binary_little_endian", "binary_big_endian")


@dataclass(slots=True)
class Element:
    """One element: ``columns`` maps a property to its byte in a row and its type's code.

    ``stride_bytes`` is the size of a row, or -1 if a list makes rows uneven; then the bytes behind
    the list are -1 too.
    """

    name: str
    count: int
    columns: dict[str, tuple[int, int]] = field(default_factory=dict)
    stride_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header; ``data_byte`` is the first byte after it."""

    form: str
    elements: dict[str, Element]
    comments: tuple[str, ...]
    data_byte: int


def parse_header(file: Bytes, name: str) -> Header:
    """Read the header; nothing of the body is looked at.

    Raises
    ------
    FormatError
        It is no PLY header, or one that is inconsistent.
    """
    head = file.read(0, _LIMIT_BYTES)
    if not re.match(rb"ply\r?\n", head):
        raise malformed(name, "not a PLY file", wanted="'ply' as the first line", got=head[:8])
    end = re.search(rb"\nend_header[ \t]*\r?\n", head)
    if end is None:
        raise malformed(
            name,
            f"the PLY header does not end within {_LIMIT_BYTES} bytes",
            wanted="a line 'end_header'",
            hint="The file is truncated or not a PLY file.",
        )
    form, last = "", ""
    comments: list[str] = []
    elements: dict[str, Element] = {}
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
            elements[last] = Element(last, int(words[2]))
        elif keyword == "property" and form and elements:
            _add_property(elements[last], words, name)
        else:
            raise malformed(
                name,
                f"the PLY header has a line that makes no sense here: {line[:80]!r}",
                wanted="format, element, property or comment",
            )
    if not form:
        raise malformed(name, "the PLY header has no 'format' line", wanted=", ".join(_FORMATS))
    return Header(form, elements, tuple(comments), end.end())


def binary_header(file: Bytes, name: str) -> Header:
    """The header of a file that a page can read: `parse_header`, and a body of text is refused."""
    header = parse_header(file, name)
    if header.form == "ascii":
        raise malformed(
            name, "a page does not read ascii PLY", wanted="a binary one", hint=BUILD_HINT
        )
    return header


def _add_property(element: Element, words: list[str], name: str) -> None:
    """Add a column to an element, from the words of its header line."""
    listed = len(words) == 5 and words[1] == "list"
    if not listed and (len(words) != 3 or words[1] not in TYPES):
        raise malformed(
            name,
            f"property of element '{element.name}' cannot be understood",
            wanted="'property TYPE NAME'",
            got=repr(" ".join(words)[:80]),
        )
    label = words[-1]
    if label in element.columns:
        raise malformed(name, f"property '{label}' of element '{element.name}' appears twice")
    kind = LIST if listed else TYPES[words[1]]
    element.columns[label] = (element.stride_bytes, kind)
    if listed or element.stride_bytes < 0:
        element.stride_bytes = -1
    else:
        element.stride_bytes += SIZES[kind]


def located(header: Header, label: str, file: Bytes, name: str) -> int:
    """Byte where an element's rows start, once they are known to be all there."""
    start = header.data_byte
    for element in header.elements.values():
        if element.stride_bytes < 0:
            raise malformed(
                name,
                f"element '{element.name}' has a list property",
                wanted=f"'{label}' before it, and no list in '{label}'",
                hint="Export the file again with the splats first.",
            )
        size = element.count * element.stride_bytes
        if element.name == label:
            if start + size > file.size_bytes:
                raise malformed(
                    name,
                    f"the file ends inside element '{label}'",
                    wanted=f"{start + size} bytes for {element.count} rows",
                    got=f"{file.size_bytes} bytes",
                    hint="The file is truncated: download or export it again.",
                )
            return start
        start += size
    raise malformed(name, f"no element '{label}'", wanted="one row a splat")


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
