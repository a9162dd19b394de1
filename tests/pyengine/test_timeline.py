"""The position in a clip: playing, the ends, loops, speeds."""

from __future__ import annotations

import math

import pytest

from pyengine.timeline import Timeline


def test_it_is_paused_at_first() -> None:
    """Time passes and nothing moves."""
    timeline = Timeline(2.0)
    timeline.advance(0.5)
    assert (timeline.time_s, timeline.phase, timeline.playing) == (0.0, 0.0, False)


def test_playing_loops() -> None:
    """Over the end and on from the beginning; backwards too."""
    timeline = Timeline(2.0, loop=True)
    timeline.play()
    timeline.advance(1.5)
    timeline.advance(1.0)
    assert timeline.time_s == 0.5
    assert timeline.phase == 0.25
    timeline.set_speed(-2.0)
    timeline.advance(0.5)
    assert timeline.time_s == 1.5
    assert timeline.playing


def test_a_clip_that_does_not_loop_stops_at_its_end() -> None:
    """And plays again from the other one."""
    timeline = Timeline(2.0, loop=False)
    timeline.play()
    timeline.advance(3.0)
    assert (timeline.time_s, timeline.phase, timeline.playing) == (2.0, 1.0, False)
    timeline.play()
    assert timeline.time_s == 0.0
    timeline.set_speed(-1.0)
    timeline.advance(0.25)
    assert (timeline.time_s, timeline.playing) == (0.0, False)
    timeline.play()
    assert timeline.time_s == 2.0
    timeline.pause()
    timeline.advance(1.0)
    assert timeline.time_s == 2.0


@pytest.mark.parametrize(
    ("duration_s", "loop", "wanted_s", "found_s"),
    [
        (2.0, True, 5.0, 1.0),
        (2.0, True, -0.5, 1.5),
        (2.0, True, 2.0, 0.0),
        (2.0, True, -1e-30, 0.0),
        (2.0, False, 5.0, 2.0),
        (2.0, False, -1.0, 0.0),
        (None, True, 99.5, 99.5),
        (None, True, -1.0, 0.0),
    ],
)
def test_seek(duration_s: float | None, loop: bool, wanted_s: float, found_s: float) -> None:
    """Into the clip."""
    timeline = Timeline(duration_s, loop)
    timeline.seek(wanted_s)
    assert timeline.time_s == found_s


def test_without_a_clip_the_phase_is_the_fraction_of_the_second() -> None:
    """Something that goes round."""
    timeline = Timeline()
    timeline.seek(3.25)
    assert timeline.phase == 0.25


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number(number: float) -> None:
    """Refused; the time stays."""
    timeline = Timeline(2.0)
    with pytest.raises(ValueError, match="a time is a finite number"):
        timeline.seek(number)
    with pytest.raises(ValueError, match="a speed is a finite number"):
        timeline.set_speed(number)
    assert (timeline.time_s, timeline.speed) == (0.0, 1.0)


def test_speeds_are_kept_within_reason() -> None:
    """A hundred times real time."""
    timeline = Timeline()
    timeline.set_speed(-1e9)
    assert timeline.speed == -100.0
