"""Sizes near one that does not fit."""

from __future__ import annotations

import pytest

from pybuild.filters.nearest import REACH, nearest_sizes

Size = tuple[int, int]


@pytest.mark.parametrize(
    ("multiple", "rest", "wanted"),
    [
        (14, 0, [(630, 350), (644, 364)]),
        (32, 1, [(609, 353), (641, 385)]),
        (64, 0, [(640, 320), (640, 384)]),
        (1, 0, [(640, 360)]),
    ],
)
def test_multiples_and_what_is_over(multiple: int, rest: int, wanted: list[Size]) -> None:
    """Each axis has its own next one."""

    def fits(size: Size) -> bool:
        return all(n % multiple == rest % multiple for n in size)

    known = 4 * multiple + rest, 4 * multiple + rest
    assert nearest_sizes(fits, (640, 360), known, 8192) == wanted


def test_sizes_that_are_too_small_and_too_large() -> None:
    """On one side of what is wanted there is none."""
    known = 100, 100
    assert nearest_sizes(lambda s: min(s) >= 21, (8, 8), known, 8192) == [(21, 21)]
    assert nearest_sizes(lambda s: max(s) <= 500, (510, 520), known, 8192) == [(500, 500)]
    assert nearest_sizes(lambda s: True, (500, 300), known, 400) == [(400, 300)]


def test_squares() -> None:
    def fits(size: Size) -> bool:
        return size[0] == size[1] and size[0] % 7 == 0

    found = nearest_sizes(fits, (640, 360), (70, 70), 8192, squares=True)
    assert found == [(476, 476), (483, 483)]


def test_none_that_is_near() -> None:
    """Then what is known; and it is not looked for without an end."""
    asked = []

    def fits(size: Size) -> bool:
        asked.append(size)
        return size == (70, 70)

    assert nearest_sizes(fits, (640, 360), (70, 70), 8192) == [(70, 70)]
    assert len(asked) <= 4 * (REACH + 1)
