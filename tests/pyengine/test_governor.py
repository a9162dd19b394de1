"""The governor on simulated machines: where it settles, how soon, and that it stays there."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from pyengine.governor import FAILED_S, FIRST_WAIT_S, SETTLE, WINDOW, Governor

COSTS = (1.0, 0.5625, 0.25, 0.14, 0.0625)
"""Pixels of 1280x720, 960x540, 640x360, 480x270, 320x180, as shares of the first."""

SCREEN_S = 1 / 60
LONG = 10_000
"""Frames: nearly three minutes at 60 a second."""


def trials(target_fps: float, frames: int = LONG) -> int:
    """That a machine may see in so many frames: after 5, 10, 20, 40 ... seconds in time."""
    return int(math.log2(frames / target_fps / FIRST_WAIT_S + 1))


@dataclass
class Machine:
    """A page's frames: splats, a filter by its pixels, compiling, and a screen that makes wait.

    Attributes
    ----------
    filter_s : float or callable
        Seconds of the filter at level 0; or of a frame's number.
    splats_s : float
    screen_s : float
        0: frames come when they are ready.
    noise : float
        Standard deviation of the logarithm of a frame's time.
    long : mapping of int to float
        Seconds of frames that stall.
    """

    filter_s: float | Callable[[int], float]
    splats_s: float = 0.002
    screen_s: float = SCREEN_S
    noise: float = 0.0
    long: dict[int, float] = field(default_factory=dict)
    compile_s: float = 0.4

    def run(
        self, governor: Governor, frames: int = LONG, costs: Sequence[float] = COSTS
    ) -> list[tuple[int, int, int]]:
        """Frame, level and every at each change."""
        dice = random.Random(1)
        changes: list[tuple[int, int, int]] = []
        compiling = True
        for frame in range(frames):
            filter_s = self.filter_s(frame) if callable(self.filter_s) else self.filter_s
            busy_s = self.splats_s
            if frame % governor.every == 0:
                busy_s += filter_s * costs[governor.level]
            busy_s *= math.exp(dice.gauss(0, self.noise))
            busy_s += self.long.get(frame, 0.0) + self.compile_s * compiling
            if self.screen_s:
                busy_s = math.ceil(busy_s / self.screen_s - 1e-9) * self.screen_s
            compiling = governor.frame(busy_s)
            if compiling:
                changes.append((frame, governor.level, governor.every))
        return changes


def governor(target_fps: float = 60.0, most_every: int = 4) -> Governor:
    """Of a filter of five sizes."""
    return Governor(target_fps, len(COSTS), most_every, COSTS)


def test_it_begins_with_the_largest() -> None:
    """In each frame."""
    one = governor()
    assert (one.level, one.every) == (0, 1)


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("screen_s", [0.0, SCREEN_S, 1 / 144])
def test_a_fast_machine_is_left_alone(screen_s: float, noise: float) -> None:
    """Nothing changes, ever."""
    assert Machine(0.008, screen_s=screen_s, noise=noise).run(governor()) == []


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize(
    ("target_fps", "filter_s", "level"),
    [
        (60, 0.020, 1),  # 22 ms, 13.3 ms
        (60, 0.048, 2),  # 50 ms, 29 ms, 14 ms
        (60, 0.085, 3),  # 87 ms ... 23 ms, 13.9 ms
        (60, 0.180, 4),  # 182 ms ... 27 ms, 13.3 ms
        (30, 0.045, 1),  # 47 ms, 27.3 ms
        (30, 0.100, 2),  # 102 ms, 58 ms, 27 ms
        (20, 0.050, 1),  # 52 ms: 67 on the screen; 30.1 ms
    ],
)
def test_it_settles_where_the_machine_can(
    target_fps: float, filter_s: float, level: int, noise: float
) -> None:
    """Soon, and but for trials that become seldom, for good."""
    one = governor(target_fps)
    changes = Machine(filter_s, noise=noise).run(one)
    assert (one.level, one.every) == (level, 1)
    settled = next(index for index, change in enumerate(changes) if change[1:] == (level, 1))
    assert changes[settled][0] <= level * (SETTLE + WINDOW + 1)
    assert len(changes) <= settled + 1 + 2 * trials(target_fps)
    assert {change[1] for change in changes[settled:]} <= {level, level - 1}


@pytest.mark.parametrize("target_fps", [60, 30])
def test_trials_become_seldom(target_fps: float) -> None:
    """Each lasts a window, and the time between doubles."""
    one = governor(target_fps)
    changes = Machine(0.048 * 60 / target_fps).run(one)
    ups = [frame for frame, level, _ in changes if level == 1][-4:]
    waits = [after - before for before, after in pairwise(ups)]
    assert len(waits) == 3
    assert all(after > 1.7 * before for before, after in pairwise(waits))
    frames_lost = sum(
        changes[index + 1][0] - frame
        for index, (frame, level, _) in enumerate(changes[:-1])
        if level == 1
    )
    assert frames_lost < LONG / 50


def test_it_ends_where_a_screen_of_another_rate_allows() -> None:
    """On 90 Hz intervals are 11.1 and 22.2 ms; 60 a second is 16.7: only the first will do."""
    one = governor(60)
    Machine(0.016, screen_s=1 / 90).run(one)
    assert (one.level, one.every) == (1, 1)


def test_without_a_screen_what_is_foreseen_is_right() -> None:
    """Frames that come when they are ready tell how much room there is."""
    one = governor(30)
    load = [0.2] * 200 + [0.030] * 800
    changes = Machine(lambda frame: load[frame], screen_s=0).run(one, len(load))
    assert (one.level, one.every) == (0, 1)
    levels = [level for _, level, _ in changes]
    lowest = levels.index(3)
    assert levels[lowest:] == [3, 2, 1, 0]
    assert changes[lowest + 2][0] - changes[lowest + 1][0] < 6 * 30


def test_at_the_smallest_it_thins() -> None:
    """As far as it takes, and no further than it may."""
    one = governor()
    Machine(0.5).run(one)  # 31 ms at the smallest: 33.3 and 16.7 by turns are 25, three are 22.2
    assert (one.level, one.every) == (4, 4)  # 20.8 ms, which is 1.25 times 16.7
    one = governor(30)
    Machine(0.8).run(one)  # 52 ms at the smallest: 66.7 and 16.7 by turns are 41.7 ms
    assert (one.level, one.every) == (4, 2)
    one = governor(30, most_every=1)
    Machine(0.8).run(one)
    assert (one.level, one.every) == (4, 1)


def test_a_load_that_grows_at_the_smallest_thins_it() -> None:
    """It was in time there once, so that the way down was no mistake."""
    one = governor()
    load = [0.180] * 200 + [0.5] * 2000
    changes = Machine(lambda frame: load[frame]).run(one, len(load))
    assert (one.level, one.every) == (4, 4)
    assert all(level == 4 for frame, level, _ in changes if frame > 200)


def test_content_only_where_the_way_down_was_in_vain() -> None:
    """A level that was in time once, and is slow as the largest was: that one is no better now."""
    costs = (1.0, 0.6)  # 22 ms, 14 ms; then 34 ms, 21.2 ms
    one = Governor(60, 2, 1, costs)
    load = [0.020] * 200 + [0.032] * 2000
    changes = Machine(lambda frame: load[frame], screen_s=0).run(one, len(load), costs)
    assert [level for _, level, _ in changes] == [1]


def test_what_a_screen_adds_is_not_taken_for_the_filters() -> None:
    """22 ms show as 33.3: seven tenths of the pixels are 16 ms, not 23, and will do."""
    costs = (1.0, 0.7, 0.4)
    changes = Machine(0.020).run(Governor(60, 3, costs=costs), 100, costs)
    assert [level for _, level, _ in changes] == [1]


def test_where_there_is_no_room_none_is_tried() -> None:
    """A frame of 20.5 ms is no failure at 60 a second, nor is it in time; nor if it often is."""
    one = governor()
    changes = Machine(0.033, screen_s=0).run(one)
    assert [level for _, level, _ in changes] == [1]
    one = governor()
    changes = Machine(lambda frame: 0.033 if frame % 250 < 50 else 0.026, screen_s=0).run(one)
    assert [level for _, level, _ in changes] == [1]


def test_a_processor_is_soon_at_the_end() -> None:
    """At three seconds a frame it is a matter of frames, not of windows."""
    one = governor()
    changes = Machine(3.0, splats_s=0.05).run(one, 40)
    assert changes[0][1] == 4
    assert changes[0][0] <= SETTLE + 5
    assert one.every == 4
    assert len(changes) <= 4


@pytest.mark.parametrize("stall_s", [0.3, 2.0, 600.0])
def test_a_stall_changes_nothing(stall_s: float) -> None:
    """A collection of garbage, a tab switch: also again and again, and two in a row."""
    stalls = {frame: stall_s for start in range(20, 3000, 100) for frame in (start, start + 1)}
    assert Machine(0.010, long=stalls).run(governor(), 3000) == []
    one = governor()
    machine = Machine(0.048, long=dict.fromkeys(range(300, 3000, 90), stall_s))
    plain = Machine(0.048).run(governor(), 3000)
    assert len(machine.run(one, 3000)) <= len(plain) + 2
    assert one.level == 2


def test_pauses_say_nothing() -> None:
    """0 is no interval, and neither is what is no number."""
    one = governor()
    for _ in range(1000):
        assert not one.frame(0.0)
        assert not one.frame(-1.0)
        assert not one.frame(math.nan)
        assert not one.frame(math.inf)
    for _ in range(100):
        assert not one.frame(SCREEN_S)
        assert not one.frame(0.0)
    slow = [one.frame(seconds) for _ in range(WINDOW) for seconds in (2 * SCREEN_S, 0.0)]
    assert any(slow)


def test_a_load_that_comes_and_goes() -> None:
    """Down within half a second of it; up again when it has been gone for a while."""
    one = governor()
    load = [0.010] * 1000 + [0.048] * 1000 + [0.010] * 6000
    changes = Machine(lambda frame: load[frame]).run(one, len(load))
    assert 1000 < changes[0][0] <= 1000 + WINDOW
    down = next(frame for frame, level, _ in changes if level == 2)
    assert down <= 1000 + WINDOW + 2 * (SETTLE + WINDOW)
    assert (one.level, one.every) == (0, 1)
    assert [level for frame, level, _ in changes if frame > 2500][-2:] == [1, 0]
    assert changes[-1][0] < 2000 + 60 * 60


def test_a_load_that_keeps_changing_is_not_followed() -> None:
    """Ten seconds of it and ten without: the largest size is tried ever more seldom."""
    one = governor()
    changes = Machine(lambda frame: 0.048 if frame // 600 % 2 else 0.010).run(one)
    assert len(changes) <= 20
    later = [frame for frame, _, _ in changes if frame > LONG // 2]
    assert len(later) <= 6


@pytest.mark.parametrize("filter_s", [0.0125, 0.0135, 0.0145, 0.0155, 0.018, 0.0195])
@pytest.mark.parametrize("screen_s", [0.0, SCREEN_S])
def test_noise_on_the_limit(filter_s: float, screen_s: float) -> None:
    """What is now too slow and now not is changed a few times, not every second."""
    changes = Machine(filter_s, noise=0.3, screen_s=screen_s).run(governor())
    assert len(changes) <= 2 * trials(60) + 2
    assert all(level in (0, 1, 2) for _, level, _ in changes)


@pytest.mark.parametrize("seed", range(30))
def test_any_machine_comes_to_rest(seed: int) -> None:
    """Random ones, with stalls: few changes, the last third of the time nearly none, and in time.

    In time means: at the level where it stays a frame's own time is below the limit, or there is
    no smaller one.
    """
    dice = random.Random(seed)
    machine = Machine(
        math.exp(dice.uniform(math.log(0.002), math.log(2.0))),
        splats_s=dice.uniform(0.001, 0.01),
        screen_s=dice.choice((0.0, 1 / 60, 1 / 120)),
        noise=dice.choice((0.0, 0.05)),
        long={dice.randrange(LONG): dice.uniform(0.05, 5) for _ in range(30)},
    )
    target_fps = dice.choice((24, 30, 60))
    one = governor(target_fps)
    changes = machine.run(one)
    assert len(changes) <= 8 + 2 * trials(target_fps)
    assert sum(frame > 2 * LONG // 3 for frame, _, _ in changes) <= 4
    assert isinstance(machine.filter_s, float)
    busy_s = machine.splats_s + machine.filter_s * COSTS[one.level]
    assert busy_s < 1.3 / target_fps or one.level == len(COSTS) - 1


def test_a_screen_slower_than_the_target_costs_nothing() -> None:
    """A page held to 30 a second, to save power, comes no sooner for a smaller filter."""
    one = governor(60)
    changes = Machine(0.008, screen_s=1 / 30).run(one)
    assert (one.level, one.every) == (0, 1)
    assert len(changes) < 20
    faster = [one.frame(SCREEN_S) for _ in range(1000)]
    assert not any(faster)


def test_what_held_the_page_back_may_end() -> None:
    """Then the target is what it was, and a filter that is too slow for it is seen to be."""
    one = governor(60)
    machine = Machine(0.020, screen_s=1 / 30)
    machine.run(one)
    assert one.level == 0
    machine.screen_s = SCREEN_S
    changes = machine.run(one, 400)
    assert one.level == 0, f"33.3 ms are what it was content with: {changes}"
    machine.filter_s = 0.008
    machine.run(one, 100)
    machine.filter_s = 0.020
    machine.run(one, 100)
    assert one.level == 1


@pytest.mark.parametrize(
    "before", [Machine(3.0), Machine(0.048), Machine(0.008, screen_s=1 / 30)], ids=str
)
def test_a_new_filter_begins_anew(before: Machine) -> None:
    """At its largest, without what was learnt of the other."""
    one = governor()
    assert before.run(one, 2000)
    one.reset(2, (1.0, 0.5))
    assert (one.level, one.every) == (0, 1)
    fresh = Governor(60, 2, costs=(1.0, 0.5))
    machine = Machine(0.020)
    assert machine.run(one, 2000, (1.0, 0.5)) == machine.run(fresh, 2000, (1.0, 0.5)) != []


def test_a_single_size_can_only_thin() -> None:
    """Level 0 is the last; with ``most_every`` 1 nothing is left to do."""
    one = Governor(60, 1)
    assert {(level, every) for _, level, every in Machine(0.1).run(one, 500, (1.0,))} == {
        (0, 2),
        (0, 3),
        (0, 4),
    } - {(0, every) for every in range(2, one.every)}
    assert Machine(0.1).run(Governor(60, 1, most_every=1), 500, (1.0,)) == []


def test_the_same_frames_make_the_same_choices() -> None:
    """There is no clock and no chance in it."""
    machine = Machine(0.05, noise=0.2)
    assert machine.run(governor(), 3000) == machine.run(governor(), 3000) != []


@pytest.mark.parametrize("target_fps", [0.0, -1.0, math.nan, math.inf])
def test_a_target_is_a_rate(target_fps: float) -> None:
    """Positive and finite."""
    with pytest.raises(ValueError, match="a rate is a positive number"):
        Governor(target_fps, 1)


@pytest.mark.parametrize(
    ("levels", "costs", "message"),
    [
        (0, None, "0 levels have as many costs, one at least"),
        (2, (1.0,), "2 levels have as many costs"),
        (2, (1.0, 2.0), "the largest first"),
        (2, (1.0, 0.0), "positive numbers"),
        (1, (math.nan,), "positive numbers"),
    ],
)
def test_costs_are_checked(levels: int, costs: tuple[float, ...] | None, message: str) -> None:
    """One a level, falling."""
    with pytest.raises(ValueError, match=message):
        Governor(60, levels, costs=costs)
    with pytest.raises(ValueError, match="1 or more frames, got 0"):
        Governor(60, 1, most_every=0)


def test_a_failure_is_remembered_for_a_minute_only() -> None:
    """A load that comes after a step up has long proved itself does not count against it."""
    calm = int((FAILED_S + 30) * 60)
    one = governor()
    load = [0.020] * 100 + [0.010] * calm + [0.020] * 100 + [0.010] * 400
    changes = Machine(lambda frame: load[frame]).run(one, len(load))
    assert [level for _, level, _ in changes] == [1, 0, 1, 0]
