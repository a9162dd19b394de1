"""The meta.json of a SOG scene, checked: count, bounds, codebooks and texture names.

Version 1 stores bounds where version 2 stores codebooks of 256 values; both become tables here,
so that the decoder knows one kind only.

Source: PlayCanvas, SOG format, versions 1 and 2.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pybuild.formats.quantised import logit_table
from pyengine.errors import malformed

__all__ = ["META_LIMIT_BYTES", "Meta", "parse_meta"]

META_LIMIT_BYTES = 1 << 18
_COUNT_LIMIT = 16383**2
_LOG_POSITION_LIMIT = 88.0
"""exp(88) is the largest power that float32 holds."""
_NUMBER_LIMIT = 3e38

Table = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Meta:
    """What meta.json says.

    Attributes
    ----------
    mins, maxs : (3,) float64
        Bounds of sign(p) ln(|p| + 1).
    scales : (3, 256) float32
        Log-scale of each byte, an axis a row.
    colours : (4, 256) float32
        DC of red, green, blue and the opacity logit of each byte.
    harmonics : (256,) float32
        SH coefficient of each byte; empty without harmonics.
    palette : int
        Entries of the SH palette, or 0 if the texture's height tells (version 1).
    bands : int
        SH degree, or 0 without harmonics, or -1 if the texture's width tells (version 1).
    files : dict
        Name of each texture: means_l, means_u, quats, scales, sh0, shN_centroids, shN_labels.
    """

    count: int
    antialiased: bool
    mins: NDArray[np.float64]
    maxs: NDArray[np.float64]
    scales: Table
    colours: Table
    harmonics: Table
    palette: int
    bands: int
    files: dict[str, str]


def parse_meta(text: bytes, name: str) -> Meta:
    """Check a meta.json.

    Raises
    ------
    FormatError
        A value is missing, of the wrong type or out of range.
    """
    if len(text) > META_LIMIT_BYTES:
        raise malformed(
            name,
            "meta.json is too large",
            wanted=f"at most {META_LIMIT_BYTES} bytes",
            got=f"{len(text)} or more",
        )
    try:
        root = json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise malformed(name, f"meta.json is not valid JSON ({error})") from error
    node = _Node(root, "meta.json", name)
    if "lodLevels" in node.keys():  # noqa: SIM118
        raise malformed(
            name,
            "a streamed SOG, which holds the scene several times over",
            wanted="a single SOG",
            hint="Give the folder of one of its units, such as 0_0.",
        )
    version = 2 if "version" in node.keys() else 1  # noqa: SIM118
    if version == 2 and node.integer("version", 0, 2**31) != 2:
        raise malformed(name, "SOG version is not supported", wanted="1 or 2", got=root["version"])
    return _version_2(node) if version == 2 else _version_1(node)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


class _Node:
    """A JSON object whose members are fetched with their type and range checked."""

    def __init__(self, value: object, path: str, name: str) -> None:
        self.path, self.name = path, name
        if not isinstance(value, dict):
            raise malformed(name, f"{path} is no object", got=type(value).__name__)
        self._members: dict[str, Any] = value

    def keys(self) -> set[str]:
        return {key for key, value in self._members.items() if value is not None}

    def node(self, key: str) -> _Node:
        return _Node(self._member(key), f"{self.path}: {key}", self.name)

    def _member(self, key: str) -> object:
        if key not in self._members:
            raise malformed(self.name, f"{self.path} has no '{key}'")
        return self._members[key]

    def integer(self, key: str, low: int, high: int) -> int:
        value = self._member(key)
        if type(value) is not int or not low <= value <= high:
            raise malformed(
                self.name,
                f"{self.path}: {key}",
                wanted=f"an integer, {low} to {high}",
                got=_described(value),
            )
        return value

    def numbers(self, key: str, count: int, limit: float = _NUMBER_LIMIT) -> NDArray[np.float64]:
        value = self._member(key)
        listed = value if isinstance(value, list) else [value]
        if len(listed) != count or not all(_is_number(v, limit) for v in listed):
            raise malformed(
                self.name,
                f"{self.path}: {key}",
                wanted=f"{count} numbers within ±{limit:g}",
                got=_described(value),
            )
        return np.array(listed, np.float64)

    def files(self, *labels: str) -> dict[str, str]:
        value = self._member("files")
        good = isinstance(value, list) and len(value) == len(labels)
        if not good or not all(_is_plain(entry) for entry in value):  # type: ignore[attr-defined]
            raise malformed(
                self.name,
                f"{self.path}: files",
                wanted=f"{len(labels)} plain file names",
                got=_described(value),
            )
        return dict(zip(labels, value, strict=True))  # type: ignore[call-overload]


def _is_number(value: object, limit: float) -> bool:
    """Whether a JSON value is a number within ±limit (true and false are none)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= limit


def _described(value: object) -> str:
    """A JSON value for a message; containers by their length, for they may nest deeply."""
    if isinstance(value, list | dict):
        return f"{type(value).__name__} of {len(value)}"
    return repr(value)[:80]


def _is_plain(entry: object) -> bool:
    """Whether a texture's name stays in the scene's folder."""
    return isinstance(entry, str) and re.fullmatch(r"\w[\w.-]{0,200}", entry, re.ASCII) is not None


def _means(node: _Node) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means = node.node("means")
    return (
        means.numbers("mins", 3, _LOG_POSITION_LIMIT),
        means.numbers("maxs", 3, _LOG_POSITION_LIMIT),
    )


def _texture_files(node: _Node) -> dict[str, str]:
    files = node.node("means").files("means_l", "means_u")
    for label in ("scales", "quats", "sh0"):
        files |= node.node(label).files(label)
    if "shN" in node.keys():  # noqa: SIM118
        files |= node.node("shN").files("shN_centroids", "shN_labels")
    return files


def _version_2(node: _Node) -> Meta:
    model = node._members.get("model")
    if model == "2dgs":
        raise malformed(
            node.name,
            "model '2dgs' marks flat surfels",
            wanted="three-dimensional Gaussians",
            hint="Train or export the scene as 3DGS.",
        )
    mins, maxs = _means(node)
    scales = node.node("scales").numbers("codebook", 256).astype(np.float32)
    dc = node.node("sh0").numbers("codebook", 256).astype(np.float32)
    harmonics, palette, bands = np.empty(0, np.float32), 0, 0
    if "shN" in node.keys():  # noqa: SIM118
        rest = node.node("shN")
        harmonics = rest.numbers("codebook", 256).astype(np.float32)
        palette = rest.integer("count", 1, 1 << 16)
        bands = rest.integer("bands", 1, 3)
    return Meta(
        node.integer("count", 0, _COUNT_LIMIT),
        model == "antialiased",
        mins,
        maxs,
        np.stack([scales] * 3),
        np.stack([dc] * 3 + [logit_table()]),
        harmonics,
        palette,
        bands,
        _texture_files(node),
    )


def _version_1(node: _Node) -> Meta:
    shape = node.node("means")._member("shape")
    first = shape[0] if isinstance(shape, list) and shape else None
    if type(first) is not int or not 0 <= first <= _COUNT_LIMIT:
        raise malformed(
            node.name, "meta.json: means: shape", wanted="[count, 3]", got=_described(shape)
        )
    mins, maxs = _means(node)
    harmonics, bands = np.empty(0, np.float32), 0
    if "shN" in node.keys():  # noqa: SIM118
        harmonics, bands = _ramps(node.node("shN"), 1)[0], -1
    return Meta(
        first,
        False,
        mins,
        maxs,
        _ramps(node.node("scales"), 3),
        _ramps(node.node("sh0"), 4),
        harmonics,
        0,
        bands,
        _texture_files(node),
    )


def _ramps(node: _Node, channels: int) -> Table:
    """The straight lines from mins to maxs as tables of 256, (channels, 256) float32."""
    low = node.numbers("mins", channels)[:, None]
    high = node.numbers("maxs", channels)[:, None]
    t = np.arange(256) / 255
    return (low * (1 - t) + high * t).astype(np.float32)
