"""Links to a view: what is said comes back, and nothing that is malformed does harm."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyengine.camera_rig import Bookmark
from pyengine.camera_shot import Shot
from pyengine.object_spec import UNMOVED
from pyengine.share import MAX_HASH, Link, Note, from_hash, to_hash, written
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
    objects={
        "the chair & 50 %": {"position": [0.0, -1.5, 2.0], "rotation": [0.0, 0.6, 0.0, 0.8]},
        "lamp": {"scale": [2.0, 2.0, 2.0], "opacity": 0.5, "tint": [1.0, 0.5, 0.0]},
        "table": {"scale": [1.0, 2.0, 3.0], "visible": False},
    },
    notes=[
        Note((1.0, -2.5, 3e-05), "The neck: a+b, 50 % @ home"),
        Note((0.0, 0.0, 0.0), "<b>Ärmel</b>\n&amp; 漢字"),
    ],
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
    assert link.notes == FULL.notes
    assert link.objects == FULL.objects | {
        "lamp": {"scale": 2.0, "opacity": 0.5, "tint": [1.0, 0.5, 0.0]}
    }
    assert link.camera is not None
    assert link.camera.eye == pytest.approx(SHOT.eye)
    assert link.camera.target == pytest.approx(SHOT.target)
    assert [mark.name for mark in link.bookmarks] == [mark.name for mark in FULL.bookmarks]
    assert link.bookmarks[0].view is None
    assert link.bookmarks[1].view == ROLLED


def test_what_is_placed_and_noted_is_short() -> None:
    link = Link(
        objects={"a": {"visible": True, "scale": [1.5] * 3}}, notes=[Note((1, 2, 3.5), "The neck")]
    )
    assert to_hash(link) == "v=1&obj.a=s1.5;v1&note=The+neck:1,2,3.5"


def test_a_link_before_there_were_objects_and_annotations_is_as_it_was() -> None:
    """As links of the first pages are; a page of then passes over what is new, and says so."""
    text = (
        "v=1&camera=0.41,-1.2,3.7,0,0.1,0,50&time=1.5&play=0&in.lift=0.7&background=202830"
        "&mark=The+neck:1,0,2,0,0,0,50"
    )
    link = read(text)
    assert to_hash(link) == text
    assert (link.show, link.objects, link.notes) == ("", {}, [])


def test_what_has_no_room_is_left_out() -> None:
    """All that is written is read; the rest is counted."""
    place = (0.123456789, 1.0, 2.0)
    notes = [Note(place, "漢" * 200)] * 99 + [Note(place, "\n" * 11), Note(place, "a" * 201)]
    objects = {f"object {i}": {"position": [i / 7, 0.0, 0.0]} for i in range(100)}
    text, left_out = written(Link(notes=notes, objects=objects))
    link = read(text)
    assert len(text) <= MAX_HASH
    assert len(link.objects) == 100
    assert len(link.notes) == 101 - left_out < 99
    assert written(Link(notes=[Note(place, "a")] * 120))[1] == 20


def test_half_a_character_harms_nobody() -> None:
    """What JavaScript can hold and UTF-8 cannot."""
    assert read(to_hash(Link(notes=[Note((0, 0, 0), "\ud800!")]))).notes[0].text == "?!"


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
    ("note=here", "wanted a text, a colon and a position"),
    ("note=:1,2,3", "a text of 1 to 200 characters, got 0"),
    ("note=" + "a" * 201 + ":1,2,3", "a text of 1 to 200 characters, got 201"),
    ("note=" + "a%0a" * 11 + ":1,2,3", "wanted 10 lines at most, got 11"),
    ("note=" + "a%e2%80%a8" * 11 + ":1,2,3", "wanted 10 lines at most, got 11"),
    ("note=here:1,2", "wanted 3 numbers, got 2"),
    ("note=here:1,2,nan", "wanted a number, got 'nan'"),
    ("note=%c3:1,2,3", "invalid continuation byte"),
    ("obj.a=", "wanted parts that begin with p, r, s, v, o, t, each once, got ''"),
    ("obj.a=x1", "wanted parts that begin with"),
    ("obj.a=o1;o0.5", "wanted parts that begin with"),
    ("obj.a=p1,2", "'position' must be three numbers"),
    ("obj.a=p1,2,1e10", "wanted a number"),
    ("obj.a=pnan,0,0", "wanted a number, got 'nan'"),
    ("obj.a=r0,0,0,0", "a quaternion x, y, z, w that is not zero"),
    ("obj.a=s-1", "'scale' must be a number"),
    ("obj.a=v2", "wanted one of 0, 1"),
    ("obj.a=o1.5", "'opacity' must be a number from 0 to 1"),
    ("obj.a=t1,1,101", "'tint' must be red, green and blue"),
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
    assert len(problems) <= 11
    link, problems = from_hash("v=1" + "&note=a:1,2,3&obj.a=s2" * 200)
    assert link is not None
    assert len(link.notes) == 100
    assert problems[-1] == "link: and 90 more"


@given(st.text(max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    from_hash("v=1&" + text)
    from_hash("v=1&mark=" + text)
    from_hash("v=1&camera=" + text)
    from_hash("v=1&note=" + text)
    from_hash("v=1&obj." + text)
    from_hash("v=1&obj.a=" + text)


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


FINITE = st.floats(-1e6, 1e6)
PLACED = st.fixed_dictionaries(
    {},
    optional={
        "position": st.lists(FINITE, min_size=3, max_size=3),
        "rotation": st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(
            lambda q: math.hypot(*q) > 0.1
        ),
        "scale": st.lists(st.floats(1e-5, 1e5), min_size=3, max_size=3),
        "visible": st.booleans(),
        "opacity": st.floats(0, 1),
        "tint": st.lists(st.floats(0, 100), min_size=3, max_size=3),
    },
).filter(bool)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=200).filter(
    lambda text: len(text.splitlines()) <= 10
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=30), PLACED, max_size=5))
def test_objects_stand_where_they_stood(objects: dict[str, dict[str, Any]]) -> None:
    """Whatever their names are; 9 digits of each number."""
    again = read(to_hash(Link(objects=objects))).objects
    assert again.keys() == objects.keys()
    for name, changes in objects.items():
        wanted = UNMOVED.changed(changes, name).to_dict()
        got = UNMOVED.changed(again[name], name).to_dict()
        assert again[name].keys() == changes.keys()
        for key, value in wanted.items():
            assert got[key] == pytest.approx(value, rel=1e-7, abs=1e-8)


@given(st.lists(st.tuples(st.lists(FINITE, min_size=3, max_size=3), TEXT), max_size=5))
def test_annotations_say_what_they_said(notes: list[tuple[list[float], str]]) -> None:
    """Text as it was, whatever its characters mean elsewhere."""
    link = Link(notes=[Note((x, y, z), text) for (x, y, z), text in notes])
    again = read(to_hash(link)).notes
    assert [note.text for note in again] == [text for _, text in notes]
    for note, (position, _) in zip(again, notes, strict=True):
        assert note.position == pytest.approx(position, rel=1e-8, abs=1e-30)
