"""Tables of a bench: the numbers of a sample, and columns of them."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["cell", "extremes", "print_table", "ratio", "summary"]


def summary(values: Iterable[float]) -> dict[str, float | int]:
    """Minimum, median and count; NaN of nothing."""
    known = list(values)
    if not known:
        return {"min": float("nan"), "median": float("nan"), "n": 0}
    return {"min": min(known), "median": statistics.median(known), "n": len(known)}


def cell(value: float) -> str:
    """A number in a table: three digits at least, no more decimals than they mean."""
    if value != value:
        return "-"
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def extremes(found: Mapping[str, float | int]) -> list[str]:
    """Minimum and median of a `summary`, as two columns."""
    return [cell(found["min"]), cell(found["median"])]


def ratio(value: float, ours: float) -> str:
    """How many times ours; above 1 is worse than ours for a time."""
    return f"{value / ours:.2f}x" if ours > 0 and value == value else "-"


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A title and columns: the first to the left, the others to the right."""
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    print(f"\n{title}")
    for row in table:
        first, *others = (
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "  ".join([first, *others]).rstrip())
    sys.stdout.flush()
