"""A filter's images as tensors: which axes are which, and how pixels become numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyengine.contract.model import ImageFormat, Port
from pyengine.contract.values import PREFIX, Metadata, flat, nearest, shown

__all__ = [
    "CHANNELS",
    "FORMAT_KEYS",
    "LAYOUTS",
    "WANTED",
    "Picture",
    "pictures",
    "read_format",
    "said_layout",
]

LAYOUTS = ("nchw", "nhwc")
CHANNELS = {1: ("gray", "y"), 3: ("rgb", "bgr"), 4: ("rgba", "rgbc")}
"""What so many channels can be; the first where nothing is said."""
FORMAT_KEYS = ("range", "mean", "std", "channels", "layout")
WANTED = "(1, 3, H, W), (1, H, W, 3), 1 or 4 channels instead of 3, or (H, W)"

_EXAMPLE = '{"range": [0, 1], "mean": [0, 0, 0], "std": [1, 1, 1], "channels": "rgb"}'


@dataclass(frozen=True, slots=True)
class Picture:
    """A shape seen as an image: how many channels, and which axes are rows and columns."""

    layout: str
    channels: int
    rows: int
    columns: int

    def size(self, shape: Sequence[int | str]) -> tuple[int | str, int | str]:
        """Height and width; a str is open."""
        return shape[self.rows], shape[self.columns]

    def closed(self, shape: Sequence[int | str]) -> tuple[int, ...]:
        """The shape with 0 for height and width where they are open, and 1 for an open batch."""
        axes = (self.rows, self.columns)
        return tuple(
            size if isinstance(size, int) else 0 if axis in axes else 1
            for axis, size in enumerate(shape)
        )


def pictures(
    shape: Sequence[int | str], counts: Sequence[int] = (1, 3, 4), layout: str | None = None
) -> Iterator[Picture]:
    """Ways to see a shape as an image of so many channels; the usual one first.

    Parameters
    ----------
    shape : sequence
        (1, C, H, W), (1, H, W, C), (C, H, W), (H, W, C), or (H, W) with one channel. A str is open,
        which a batch, H and W may be.
    counts : sequence of int
        Channels that are wanted.
    layout : {'nchw', 'nhwc'}, optional
        Only these.
    """
    rank = len(shape)
    if not 2 <= rank <= 4 or any(isinstance(size, int) and size < 1 for size in shape):
        return
    if rank == 4 and isinstance(shape[0], int) and shape[0] != 1:
        return
    if rank == 2:
        found = [Picture("nchw", 1, 0, 1)]
    else:
        first = rank - 3
        found = [
            Picture(order, count, rows, rows + 1)
            for order, channel, rows in (
                ("nchw", first, first + 1),
                ("nhwc", rank - 1, first),
            )
            if isinstance(count := shape[channel], int)
        ]
    for picture in found:
        if picture.channels in counts and (rank == 2 or layout in (None, picture.layout)):
            yield picture


def read_format(
    meta: Metadata,
    port: Port,
    picture: Picture,
    override: Mapping[str, object],
    like: ImageFormat | None = None,
) -> ImageFormat | None:
    """How an image becomes a tensor or a tensor an image; None where something is wrong with it.

    Parameters
    ----------
    override : mapping
        What the command line says in place of the metadata, as values of JSON.
    like : ImageFormat, optional
        What it is as far as nothing is said.
    """
    told = _said(meta, port.name)
    if told is None:
        return None
    reader = _Reader(meta, port, picture.channels, told, override)
    height, width = (size if isinstance(size, int) else 0 for size in picture.size(port.shape))
    names = CHANNELS[picture.channels]
    channels = reader.channels(like.channels if like and like.channels in names else names[0])
    reader.layout()
    if like is not None and not {"range", "mean", "std"} & told.keys():
        if channels is None:
            return None
        return ImageFormat(picture.layout, height, width, channels, like.scale, like.offset)
    low_high, mean, std = reader.range(), reader.numbers("mean", 0.0), reader.numbers("std", 1.0)
    if channels is None or low_high is None or mean is None or std is None:
        return None
    low, high = low_high
    scale = [(high - low) / s for s in std]
    offset = [(low - m) / s for m, s in zip(mean, std, strict=True)]
    if port.dtype == "uint8" and ({*scale} != {255.0} or {*offset} != {0.0}):
        meta.problems.append(
            f"{port.name!r} is uint8, whole numbers from 0 to 255: wanted no range, mean and std, "
            f"got value = pixel x {scale} + {offset}"
        )
        return None
    if picture.channels == 4:  # coverage: 0 to 1, whatever the range; of bytes to 255
        scale[3], offset[3] = 255.0 if port.dtype == "uint8" else 1.0, 0.0
    return ImageFormat(picture.layout, height, width, channels, tuple(scale), tuple(offset))


def said_layout(meta: Metadata, name: str, override: Mapping[str, object]) -> str | None:
    """The layout that is asked for, if any; `read_format` tells where it is none."""
    value = override.get("layout")
    if value is None:
        try:
            entry = json.loads(meta.text(f"image.{name}") or "{}")
        except (ValueError, RecursionError):
            return None
        value = entry.get("layout") if isinstance(entry, dict) else None
    return str(value) if value in LAYOUTS else None


def _said(meta: Metadata, name: str) -> dict[str, object] | None:
    """What the metadata say of an image: nothing in most models; None where they are wrong."""
    key = f"image.{name}"
    if meta.text(key) is None:
        return {}
    wanted = f"{_EXAMPLE}; each of {', '.join(FORMAT_KEYS)} may be left out"
    return meta.object(key, wanted, (), FORMAT_KEYS)


class _Reader:
    """The values of a format one by one, each with where it was said."""

    def __init__(
        self,
        meta: Metadata,
        port: Port,
        count: int,
        told: Mapping[str, object],
        override: Mapping[str, object],
    ) -> None:
        self.meta, self.port, self.count, self.override = meta, port, count, override
        self.said = {**told, **override}

    def wrong(self, key: str, wanted: str) -> None:
        """Note that a value is not what it must be."""
        given = f"{key} of --filter" if key in self.override else f"{PREFIX}image.{self.port.name}"
        self.meta.problems.append(
            f"{given}: {key} = {shown(self.said.get(key))} of {self.port.name!r}: wanted {wanted}"
        )

    def channels(self, default: str) -> str | None:
        """Names of the channels."""
        value, names = self.said.get("channels", default), CHANNELS[self.count]
        if isinstance(value, str) and value in names:
            return value
        plural = "s" * (self.count != 1)
        hint = nearest(value, names) if isinstance(value, str) else ""
        self.wrong("channels", f"{' or '.join(names)} for {self.count} channel{plural}{hint}")
        return None

    def layout(self) -> None:
        """Note a layout that is none."""
        value = self.said.get("layout", LAYOUTS[0])
        if value not in LAYOUTS:
            self.wrong("layout", " or ".join(LAYOUTS))

    def range(self) -> tuple[float, float] | None:
        """What black and white are."""
        top = 255 if self.port.dtype == "uint8" else 1
        found = flat(self.said.get("range", [0, top]), 2)
        if found is None or found[0] == found[1]:
            self.wrong("range", "the values of black and of white, such as [0, 1]")
            return None
        return found[0], found[1]

    def numbers(self, key: str, default: float) -> tuple[float, ...] | None:
        """A number for each channel, or one for all; of four three will do."""
        value = self.said.get(key, default)
        count = self.count
        found = flat(value, count)
        if found is None and (one := flat(value, 1)) is not None:
            found = one * count
        if found is None and count == 4 and (three := flat(value, 3)) is not None:
            found = (*three, default)
        if found is None or (key == "std" and min(found) <= 0):
            above = ", above 0" if key == "std" else ""
            self.wrong(key, f"{count} number{'s' * (count != 1)}{above}, or one for all")
            return None
        return found
