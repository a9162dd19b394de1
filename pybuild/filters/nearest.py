"""Sizes near one that a network does not take, by trying: for errors that tell a way out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

__all__ = ["nearest_sizes"]

Size = tuple[int, int]

REACH = 64
"""Pixels along an axis that are tried to either side: what networks want is a multiple of something
that is seldom larger, or that and a few more."""


def nearest_sizes(
    fits: Callable[[Size], bool], size: Size, known: Size, most: int, squares: bool = False
) -> list[Size]:
    """The next smaller and the next larger size that fit.

    Each axis is tried for itself, beside what fits for the other; what comes of both is tried too.

    Parameters
    ----------
    fits : callable
        Whether a size does; it is called some four times `REACH` times at most.
    size, known : (width, height)
        One that does not fit, and one that does; pixels.
    most : int
        The largest width and height.
    squares : bool
        Only those can fit.

    Returns
    -------
    list of (width, height)
        Without duplicates, the smaller first; ``known`` where none fits that is near.
    """
    found: list[Size] = []
    if squares:
        side = round(math.sqrt(size[0] * size[1]))
        tries = [[(n, n) for n in ns] for ns in _around(side, most)]
        found = [fit for ns in tries if (fit := next(filter(fits, ns), None))]
    else:
        columns, rows = known
        widths = [next((w for w in ws if fits((w, rows))), None) for ws in _around(size[0], most)]
        heights = [
            next((h for h in hs if fits((columns, h))), None) for hs in _around(size[1], most)
        ]
        pairs = zip(widths, heights, strict=True)
        found = [(w, h) for w, h in pairs if w is not None and h is not None and fits((w, h))]
    return list(dict.fromkeys(found)) or [known]


def _around(middle: int, most: int) -> tuple[Iterator[int], Iterator[int]]:
    """Numbers from one on downwards, and upwards."""
    middle = min(middle, most)
    down = range(middle, max(middle - REACH, 1) - 1, -1)
    return iter(down), iter(range(middle, min(middle + REACH, most) + 1))
