"""Whether the sizes of a filter's images fit together, and how much larger the output is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["LARGEST", "Frame", "check_sizes", "shared_ratio"]

LARGEST = 8
"""Output pixels for each input pixel along an axis; the least is 1 / LARGEST."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a tensor that is an image; ``told`` names it. A str is open."""

    told: str
    height: int | str
    width: int | str

    @property
    def open(self) -> bool:
        """Whether any size will do."""
        return isinstance(self.height, str) and isinstance(self.width, str)

    @property
    def text(self) -> str:
        """Height x width."""
        return f"{self.height} x {self.width} (height x width)"


def check_sizes(problems: list[str], frames: Mapping[str, Frame]) -> Fraction | None:
    """Compare the sizes of ``image``, ``depth``, ``previous`` (inputs) and ``product``.

    Returns
    -------
    Fraction or None
        Output pixels for each input pixel, along both axes; None where symbols do not tell, or
        something is wrong.
    """
    for frame in frames.values():
        if isinstance(frame.height, str) != isinstance(frame.width, str):
            problems.append(
                f"{frame.told}: wanted height and width both fixed or both open, got {frame.text}"
            )
            return None
        if frame.open and frame.height == frame.width != "?":
            problems.append(
                f"{frame.told}: height and width are the same symbol {frame.height!r}, so that "
                "only squares would fit; give them two symbols, or fix them"
            )
            return None
    source, product = frames.get("image"), frames.get("product")
    for one, other in (("image", "depth"), ("product", "previous")):
        if one in frames and other in frames:
            _must_be_equal(problems, frames[one], frames[other])
    if source is None or product is None:
        return None
    if source.open != product.open:
        first, second = (source, product) if source.open else (product, source)
        problems.append(
            f"{product.told}: {first.told} is of any size, {second.told} always {second.text}; "
            "export it with both fixed, or both open"
        )
        return None
    return shared_ratio(problems, source, product)


def shared_ratio(problems: list[str], source: Frame, product: Frame) -> Fraction | None:
    """How much larger an output is than an input, which both axes must share."""
    if source.open:
        same = (source.height, source.width) == (product.height, product.width) != ("?", "?")
        return Fraction(1) if same else None
    high = Fraction(int(product.height), int(source.height))
    wide = Fraction(int(product.width), int(source.width))
    told = f"{product.told}: it is {product.text} of an input of {source.text}"
    if high != wide:
        problems.append(f"{told}, {high} times as high and {wide} times as wide; wanted one ratio")
    elif not Fraction(1, LARGEST) <= high <= LARGEST:
        problems.append(f"{told}, {high} times as large; wanted 1/{LARGEST} to {LARGEST}")
    else:
        return high
    return None


def _must_be_equal(problems: list[str], frame: Frame, other: Frame) -> None:
    """Of one size; symbols may be called differently."""
    same = (frame.height, frame.width) == (other.height, other.width)
    if frame.open != other.open or not (frame.open or same):
        problems.append(f"{other.told}: wanted {frame.text} as the {frame.told}, got {other.text}")
