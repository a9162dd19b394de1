"""The memory that a scene may take in the page: fewer bands of SH, then a refusal with numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from pyengine.bundle import SH_WORDS
from pyengine.hosts.page import Display
from pyengine.plan import DEFAULT_LIMITS, Adapter
from tests.pyengine.plans import scene_of

ADAPTER = json.dumps({**asdict(Adapter({})), "limits": dict(DEFAULT_LIMITS)})
COUNT = 2000
ROWS = 2048


def told(megabytes: float = 0.0, degree: int = 3) -> dict[str, Any]:
    """Open a scene of 2,000 Gaussians within a budget."""
    display = Display(megabytes)
    answer: dict[str, Any] = json.loads(
        display.open_scene(scene_of(COUNT, degree).to_json(), ADAPTER)
    )
    assert "error" in answer or display.uniforms()
    return answer


def saved(degree: int) -> int:
    """Bytes that a scene of degree 3 takes less with that many bands."""
    return 4 * ROWS * (SH_WORDS[3] - SH_WORDS[degree])


def test_without_a_budget_all_is_kept() -> None:
    """And with one that has room."""
    free = told()
    assert free["info"]["shDegree"] == 3
    assert "cut" not in free
    assert told(free["info"]["gpuBytes"] / 1e6) == free


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_fewer_bands_make_room(degree: int) -> None:
    """As many as there is room for; the rows of the file are cut to them."""
    whole = told()["info"]["gpuBytes"]
    answer = told((whole - saved(degree)) / 1e6)
    assert answer["info"]["shDegree"] == degree
    assert answer["info"]["gpuBytes"] <= whole - saved(degree)
    sizes = {buffer["name"]: buffer["size_bytes"] for buffer in answer["plan"]["buffers"]}
    if degree:
        assert answer["cut"] == {"sh": [4 * SH_WORDS[3], 4 * SH_WORDS[degree]]}
        assert sizes["sh"] == 4 * ROWS * SH_WORDS[degree]
    else:
        assert "cut" not in answer
        assert "sh" not in sizes


def test_a_scene_beyond_the_budget_is_refused_with_both_numbers() -> None:
    """When no bands are left to do without."""
    least = told(degree=0)["info"]["gpuBytes"]
    error = told(0.1)["error"]
    assert f"{least / 1e6:.1f} MB" in error
    assert "0.1 MB" in error
