"""Whether the sizes of a filter's images fit together, and how much larger the output is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pyengine.contract.images import pictures
from pyengine.contract.model import Port
from pyengine.errors import ContractError

__all__ = ["LARGEST", "Frame", "bound_shapes", "check_sizes", "shared_ratio"]

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


def bound_shapes(
    inputs: Sequence[Port],
    roles: Mapping[str, str],
    size: tuple[int, int],
    ratio: Fraction = Fraction(1),
) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs that a filter leaves open, for an image of one size.

    Parameters
    ----------
    inputs : sequence of Port
        As the model declares them.
    roles : mapping
        Role of each input, as a contract's feeds have it.
    size : (width, height)
        Of the image that is taken, pixels.
    ratio : Fraction
        How much larger the output is: the size of ``previous``.

    Raises
    ------
    ContractError
        The output would have no whole size.
    """
    width, height = size
    if width * ratio % 1 or height * ratio % 1:
        raise ContractError(
            "filter",
            [
                f"{width}x{height} times {ratio} is no whole size; take multiples of "
                f"{ratio.denominator}"
            ],
        )
    given = int(width * ratio), int(height * ratio)
    shapes: dict[str, tuple[int, ...]] = {}
    symbols: dict[int | str, int] = {}
    for port in inputs:
        role = roles.get(port.name)
        if role in ("image", "depth", "previous"):
            shapes[port.name] = _closed(port, given if role == "previous" else size)
        if role == "image":
            symbols = dict(zip(port.shape, shapes[port.name], strict=True))
    for port in inputs:
        if port.name not in shapes:
            shapes[port.name] = tuple(
                pixels if isinstance(pixels, int) else symbols.get(pixels, 1)
                for pixels in port.shape
            )
    return {
        port.name: shapes[port.name]
        for port in inputs
        if any(isinstance(pixels, str) for pixels in port.shape)
    }


def _closed(port: Port, size: tuple[int, int]) -> tuple[int, ...]:
    """An image's shape with its open sizes filled, and an open batch at 1."""
    picture = next(pictures(port.shape), None)
    by_axis = {picture.columns: size[0], picture.rows: size[1]} if picture else {}
    return tuple(
        pixels if isinstance(pixels, int) else by_axis.get(axis, 1)
        for axis, pixels in enumerate(port.shape)
    )


def _must_be_equal(problems: list[str], frame: Frame, other: Frame) -> None:
    """Of one size; symbols may be called differently."""
    same = (frame.height, frame.width) == (other.height, other.width)
    if frame.open != other.open or not (frame.open or same):
        problems.append(f"{other.told}: wanted {frame.text} as the {frame.told}, got {other.text}")
