"""The camera type: what it refuses, where it stands, and that it round-trips."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyengine.errors import ViewError
from pyengine.view import WORLD_UP, View

IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
GOOD = {"width": 64, "height": 48, "fx": 50, "fy": 51.5, "cx": 32, "cy": 24, "view": IDENTITY}


def project(view: View, point: tuple[float, float, float]) -> tuple[float, float, float]:
    """Pixel x, pixel y and depth of a world point."""
    m = view.view
    x, y, z = (sum(m[4 * c + r] * (*point, 1.0)[c] for c in range(4)) for r in range(3))
    return (view.fx * x / z + view.cx, view.fy * y / z + view.cy, z)


def refused(**changes: object) -> str:
    with pytest.raises(ViewError) as caught:
        View.from_json({**GOOD, **changes}, "view.json")
    return str(caught.value)


def test_reads_text_bytes_and_mappings_alike() -> None:
    text = json.dumps(GOOD)
    views = [View.from_json(source, "view.json") for source in (text, text.encode(), GOOD)]
    assert views[0] == views[1] == views[2]
    assert views[0].view == tuple(IDENTITY)
    assert all(isinstance(item, float) for item in views[0].view)


def test_keys_that_it_does_not_know_are_ignored() -> None:
    assert View.from_json({**GOOD, "name": "front"}, "v") == View.from_json(GOOD, "v")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": -3}, "view.json: 'fx' must be a positive number, got -3"),
        ({"fy": 0}, "view.json: 'fy' must be a positive number, got 0"),
        ({"fx": math.nan}, "view.json: 'fx' must be a positive number, got nan"),
        ({"fx": "50"}, "view.json: 'fx' must be a positive number, got '50'"),
        ({"cx": True}, "view.json: 'cx' must be a finite number, got True"),
        ({"cy": None}, "view.json: 'cy' must be a finite number, got None"),
        ({"cx": math.inf}, "view.json: 'cx' must be a finite number, got inf"),
        ({"width": 0}, "view.json: 'width' must be an integer from 1 to 16384, got 0"),
        ({"width": 16385}, "view.json: 'width' must be an integer from 1 to 16384, got 16385"),
        ({"height": 4.5}, "view.json: 'height' must be an integer from 1 to 16384, got 4.5"),
        ({"height": True}, "view.json: 'height' must be an integer from 1 to 16384, got True"),
        ({"view": [1, 2]}, "view.json: 'view' must be 16 numbers, column-major, got 2"),
        ({"view": "abc"}, "view.json: 'view' must be 16 numbers, column-major, got 'abc'"),
        ({"view": [*IDENTITY[:15], "1"]}, "view.json: 'view[15]' must be a finite number, got '1'"),
        (
            {"view": [1, 0, 0, 5, *IDENTITY[4:]]},
            "view.json: the last row of 'view' must be 0 0 0 1, got 5 0 0 1"
            "; is it row-major? 'view' is column-major",
        ),
        (
            {"view": [1.01, *IDENTITY[1:]]},
            "view.json: the rotation in 'view' must be orthonormal to 0.001; "
            "columns 0 and 0 are off by 0.0201",
        ),
        (
            {"view": [1, 0, 0, 0, 0.1, 1, 0, 0, *IDENTITY[8:]]},
            "view.json: the rotation in 'view' must be orthonormal to 0.001; "
            "columns 0 and 1 are off by 0.1",
        ),
        (
            {"view": [-1, *IDENTITY[1:]]},
            "view.json: the rotation in 'view' mirrors (its determinant is -1); the camera axes "
            "are x right, y down, z forward",
        ),
    ],
)
def test_says_what_is_wrong(changes: dict[str, object], message: str) -> None:
    assert refused(**changes) == message


def test_numbers_beyond_a_double_are_refused_and_not_printed_whole() -> None:
    assert len(refused(fx=10**400)) < 120
    assert refused(fx=10**5000).endswith("got a huge integer")


def test_missing_keys_are_named_together() -> None:
    with pytest.raises(ViewError, match=r"^v: 'fx', 'view' missing; a view has width, height"):
        View.from_json({k: GOOD[k] for k in GOOD if k not in ("fx", "view")}, "v")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[1]", "3", "null", b"\xff\xfe\x00"])
def test_text_that_is_no_object(text: str | bytes) -> None:
    with pytest.raises(ViewError, match=r"^v: (not JSON|must be a JSON object)"):
        View.from_json(text, "v")


def test_look_at_puts_the_target_in_the_middle_and_up_up() -> None:
    view = View.look_at((1, -2, -4), (0.5, 0.25, 1), WORLD_UP, 60, 200, 100)
    x, y, z = project(view, (0.5, 0.25, 1))
    assert (x, y) == pytest.approx((100, 50))
    assert z == pytest.approx(math.dist((1, -2, -4), (0.5, 0.25, 1)))
    above = project(view, (0.5, 0.0, 1))
    assert above[0] == pytest.approx(100)
    assert above[1] < 50
    assert view.position == pytest.approx((1, -2, -4))


def test_look_at_along_z_is_the_identity() -> None:
    view = View.look_at((0, 0, 0), (0, 0, 2), WORLD_UP, 90, 100, 100)
    assert view.view == pytest.approx(IDENTITY)
    assert (view.fx, view.fy, view.cx, view.cy) == pytest.approx((50, 50, 50, 50))


@pytest.mark.parametrize("up", [WORLD_UP, (0, 5, 0), (0, 0, 0)])
def test_look_at_with_a_useless_up_takes_another(up: tuple[float, float, float]) -> None:
    view = View.look_at((0, -3, 0), (0, 0, 0), up, 45, 32, 32)
    assert View.from_json(view.to_json(), "v") == view
    assert project(view, (0, 0, 0)) == pytest.approx((16, 16, 3))


def test_look_at_refuses_what_makes_no_camera() -> None:
    with pytest.raises(ViewError, match=r"eye and target are the same point"):
        View.look_at((1, 2, 3), (1, 2, 3), WORLD_UP, 45, 32, 32)
    with pytest.raises(ViewError, match=r"'fov_deg' must be between 0 and 180, got 180"):
        View.look_at((1, 2, 3), (0, 0, 0), WORLD_UP, 180, 32, 32)
    with pytest.raises(ViewError, match=r"'eye' must be a finite number, got nan"):
        View.look_at((math.nan, 2, 3), (0, 0, 0), WORLD_UP, 45, 32, 32)
    with pytest.raises(ViewError, match=r"'target' must be three numbers, got 2"):
        View.look_at((1, 2, 3), (0, 0), WORLD_UP, 45, 32, 32)
    with pytest.raises(ViewError, match=r"'width' must be an integer"):
        View.look_at((1, 2, 3), (0, 0, 0), WORLD_UP, 45, 0, 32)


def test_scaled_keeps_the_vertical_field_of_view() -> None:
    view = View(200, 100, 80, 90, 110, 45, tuple(map(float, IDENTITY)))
    scaled = view.scaled(300, 300)
    assert (scaled.width, scaled.height) == (300, 300)
    assert (scaled.fx, scaled.fy, scaled.cx, scaled.cy) == pytest.approx((240, 270, 165, 135))
    assert scaled.view == view.view
    with pytest.raises(ViewError, match=r"'height' must be an integer"):
        view.scaled(10, 0)


coordinate = st.floats(-100, 100)
point = st.tuples(coordinate, coordinate, coordinate)


@given(point, point, point, st.floats(1, 170))
def test_any_look_at_is_rigid_and_round_trips(
    eye: tuple[float, float, float],
    target: tuple[float, float, float],
    up: tuple[float, float, float],
    fov_deg: float,
) -> None:
    if math.dist(eye, target) < 1e-6:
        return
    view = View.look_at(eye, target, up, fov_deg, 320, 240)
    assert View.from_json(view.to_json(), "v") == view
    assert view.position == pytest.approx(eye, abs=1e-9)
