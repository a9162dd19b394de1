"""The sizes that a filter is built for: a ladder, of which the page takes the rung that fits."""

from __future__ import annotations

from fractions import Fraction

from pybuild.filters.retarget import Reach

__all__ = ["SHOWN", "default_sizes"]

SHOWN = (
    *((1280, 720), (960, 540), (640, 360), (480, 270)),
    *((720, 1280), (540, 960), (360, 640), (270, 480)),
    *((960, 960), (720, 720), (480, 480)),
)
"""Width and height of what is shown, pixels: lying, upright and square; the large ones first."""


def default_sizes(reach: Reach, ratio: Fraction | None = None) -> list[tuple[int, int]]:
    """Sizes that splats are drawn at for a chain of filters.

    Parameters
    ----------
    reach : Reach
        Of the first filter, which reads them.
    ratio : Fraction, optional
        How much larger the last one's output is than what the first reads; the first's own ratio
        unless given.

    Returns
    -------
    list of (width, height)
        The filter's own size, where it takes no other; else what comes nearest to `SHOWN` once it
        is so much larger, in multiples of what the network takes.
    """
    if reach.fixed and reach.own is not None:
        return [reach.own]
    grown = reach.ratio[0] if ratio is None else ratio
    sizes = (
        (_nearest(width / grown, reach.multiple), _nearest(height / grown, reach.multiple))
        for width, height in SHOWN
    )
    return list(dict.fromkeys(sizes))


def _nearest(pixels: Fraction, multiple: int) -> int:
    """The nearest multiple, and one at least; of two equally near the larger."""
    return max(int(pixels / multiple + Fraction(1, 2)), 1) * multiple
