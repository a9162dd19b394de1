"""Links to a view: what is said comes back, and nothing that is malformed does harm."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyengine.camera_rig import Bookmark
from pyengine.camera_shot import Shot
from pyengine.share import MAX_HASH, Link, from_hash, to_hash
from pyengine.view import View

SHOT = Shot.of((1.5, -0.25, 4.0), (0.1, 0.2, 0.3), math.radians(50))
ROLLED = View(100, 80, 90.0, 91.0, 40.0, 44.0, (0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5, 1))
FULL = Link(
    camera=SHOT,
    mode="turntable",
    turn_deg_s=-12.5,
    time_s=1.25,
    playing=True,
    filter="candy & co",
    strength=0.8,
    split=0.5,
    inputs={"lift=%": (0.7,), "pose": (1.0, -2.0, 3e-05)},
    background=(0.0, 51 / 255, 1.0),
    sh_degree=1,
    splat_scale=0.5,
    antialiased=True,
    show="depth",
    bookmarks=[Bookmark("The neck: a+b, 50 % @ home", SHOT), Bookmark("Ärmel", SHOT, ROLLED)],
    path_s=7.5,
    path_loop=True,
)


def read(text: str) -> Link:
    """A link in which nothing is wrong."""
    link, problems = from_hash(text)
    assert problems == []
    assert link is not None
    return link


def test_a_link_is_short_and_made_to_be_read() -> None:
    link = Link(camera=Shot.of((0, -1, -4), (0, 0, 0), math.radians(50)), sh_degree=0)
    assert to_hash(link) == "v=1&camera=0,-1,-4,0,0,0,50&sh=0"


def test_all_that_is_said_comes_back() -> None:
    text = to_hash(FULL)
    assert " " not in text
    link = read("#" + text)
    assert to_hash(link) == text
    for name in ("mode", "turn_deg_s", "time_s", "playing", "filter", "strength", "split", "show"):
        assert getattr(link, name) == getattr(FULL, name)
    assert link.inputs == FULL.inputs
    assert link.background == pytest.approx(FULL.background)
    assert (link.sh_degree, link.splat_scale, link.antialiased) == (1, 0.5, True)
    assert (link.path_s, link.path_loop) == (7.5, True)
    assert link.camera is not None
    assert link.camera.eye == pytest.approx(SHOT.eye)
    assert link.camera.target == pytest.approx(SHOT.target)
    assert [mark.name for mark in link.bookmarks] == [mark.name for mark in FULL.bookmarks]
    assert link.bookmarks[0].view is None
    assert link.bookmarks[1].view == ROLLED


def test_a_view_that_was_set_goes_before_the_camera() -> None:
    assert read(to_hash(Link(camera=SHOT, view=ROLLED))).view == ROLLED


def test_no_filter_is_something_else_than_nothing_said() -> None:
    assert read(to_hash(Link(filter=""))).filter == ""
    assert read(to_hash(Link())).filter is None


def test_a_background_of_no_256_levels() -> None:
    rgb = (0.123456, 0.5, 1.0)
    assert read(to_hash(Link(background=rgb))).background == pytest.approx(rgb)


@pytest.mark.parametrize("text", ["", "#", "#about", "camera=1,2", "#/route?v=1", "v"])
def test_what_is_no_link_is_left_alone(text: str) -> None:
    assert from_hash(text) == (None, [])


def test_a_link_of_another_version_is_told() -> None:
    link, problems = from_hash("#v=2&camera=1,2,3,4,5,6,50")
    assert link is None
    assert problems == ["link: wanted version 1, got '2'; it is passed over"]


BAD = [
    ("camera=1,2,3", "wanted 7 numbers, got 3"),
    ("camera=1,2,3,4,5,nan,50", "wanted a number, got 'nan'"),
    ("camera=1,2,3,4,5,1e400,50", "wanted a number"),
    ("camera=1,2,3,1,2,3,50", "one point"),
    ("camera=1,2,3,4,5,6,179", "field of view"),
    ("view=1,2,3", "wanted 18 numbers"),
    ("view=" + ",".join(["2"] * 18), "orthonormal"),
    ("mode=spin", "wanted one of orbit, fly, turntable"),
    ("mode=turntable:fast", "wanted a number"),
    ("time=-1", "0 to 1e+06"),
    ("play=yes", "wanted one of 0, 1"),
    ("strength=2", "0 to 1"),
    ("in.lift=", "wanted a number, got ''"),
    ("in.pose=" + ",".join(["0"] * 65), "64 at most"),
    ("background=red", "rrggbb"),
    ("sh=4", "wanted one of 0, 1, 2, 3"),
    ("scale=1_0", "wanted a number"),
    ("aa=both", "classic, mip"),
    ("show=<script>", "wanted a word"),
    ("mark=here", "wanted a name, a colon and a camera"),
    ("mark=%ff:1,2,3,4,5,6,50", "invalid start byte"),
    ("path=0", "0.001"),
    ("colour=1", "no such name"),
    ("=", "no such name"),
]


@pytest.mark.parametrize(("part", "told"), BAD, ids=[part[:20] for part, _ in BAD])
def test_what_is_malformed_is_passed_over_and_told(part: str, told: str) -> None:
    link, problems = from_hash(f"v=1&{part}&sh=2")
    assert link == Link(sh_degree=2)
    assert len(problems) == 1
    assert told in problems[0]
    assert repr(part.partition("=")[0]) in problems[0]


def test_a_link_is_never_read_for_ever() -> None:
    link, problems = from_hash("v=1&" + "mark=a:1,2,3,4,5,6,50&" * MAX_HASH)
    assert link is not None
    assert len(link.bookmarks) == 99
    assert "longer than" in problems[0]


@given(st.text(max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    from_hash("v=1&" + text)
    from_hash("v=1&mark=" + text)
    from_hash("v=1&camera=" + text)


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6), st.floats(5, 120))
def test_a_camera_keeps_nine_digits(numbers: list[float], fov_deg: float) -> None:
    eye, target = numbers[:3], numbers[3:]
    if math.dist(eye, target) < 1e-3 * max(1, math.hypot(*eye)):
        return
    shot = Shot.of(eye, target, math.radians(fov_deg))
    again = read(to_hash(Link(camera=shot))).camera
    assert again is not None
    scale = max(map(abs, (*shot.eye, *shot.target, 1.0)))
    assert math.dist(again.eye, shot.eye) < 1e-7 * scale
