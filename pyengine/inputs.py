"""What the host fills of a network's inputs: bytes laid out as a buffer of the GPU.

The engine fills those that follow from the camera and from time; the others are set by whoever
drives it. `pyengine.generator` and `pyengine.filter` say when a network has to run for it.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence

from pyengine.camera_inputs import CAMERA_ROLES, IDENTITY, Space, camera_values
from pyengine.errors import InputError
from pyengine.feeds import FeedSpec
from pyengine.plan import Range
from pyengine.program import STORAGE
from pyengine.timeline import Timeline
from pyengine.view import View

__all__ = ["DEFAULT_FRAME_HZ", "Inputs"]

DEFAULT_FRAME_HZ = 30.0
"""Frames a second that the role ``frame`` counts, where nothing gives a rate."""
_TIME = ("time", "phase", "frame")
_RANGES = {"i32": (-(2**31), 2**31 - 1), "u32": (0, 2**32 - 1)}


class Inputs:
    """The inputs of one network that the host fills.

    Parameters
    ----------
    feeds : sequence of FeedSpec
    ranges : mapping
        Where each lies, by its name; the host fills no others.
    size_bytes : int
        Of the whole buffer.
    spaces : sequence of Space
        Where each instance stands.

    Attributes
    ----------
    input_bytes : bytearray
        What the buffer holds when the network runs; whoever writes into it tells `touch`.
    splat_scale : float
        What the frame multiplies every sigma by.
    """

    def __init__(
        self,
        feeds: Sequence[FeedSpec],
        ranges: Mapping[str, Range],
        size_bytes: int,
        spaces: Sequence[Space],
    ) -> None:
        self.splat_scale = 1.0
        self.input_bytes = bytearray(size_bytes)
        fed = [feed for feed in feeds if feed.name in ranges]
        self._slots = {feed.name: _Slot(feed, ranges[feed.name].offset_bytes) for feed in fed}
        self._camera = self._of(CAMERA_ROLES)
        self._timed = self._of(_TIME)
        self._held: set[str] = set()
        self._tracks: dict[str, array[float]] = {}
        self._changed = True
        self._seen: tuple[object, ...] = ()  # what the camera's inputs were filled from
        self._told: tuple[object, ...] = ()  # and time's
        self._spaces = spaces
        for slot in self._slots.values():
            self._put(slot, slot.default())

    def touch(self) -> None:
        """Inputs were written in place: run before the next frame."""
        self._changed = True

    def set_input(self, name: str, values: object) -> None:
        """Give an input its values until told otherwise.

        Parameters
        ----------
        values : nested sequences of numbers, a number, bytes, or None
            Of one instance, which all others take too, or of all. Bytes are the buffer's own
            32-bit elements. None gives back the default, the track, the clock or the camera.

        Raises
        ------
        InputError
            No such input, or not so many finite numbers.
        """
        slot = self._slots.get(name)
        if slot is None:
            names = ", ".join(sorted(self._slots)) or "none"
            raise InputError(f"input {name!r}: there is none of that name; there are: {names}")
        if values is None:
            self._held.discard(name)
            self._put(slot, slot.default())
            self._seen = self._told = ()
            return
        if isinstance(values, bytes | bytearray | memoryview):
            data = bytes(values)
            copies = slot.copies if 4 * slot.elements == len(data) else 1
            if len(data) * copies != slot.size_bytes:
                raise InputError(
                    f"input {name!r}: wanted {4 * slot.elements} bytes, got {len(data)}"
                )
            self._write(slot, data * copies)
        else:
            self._put(slot, slot.checked(values))
        self._held.add(name)

    def given(self) -> dict[str, tuple[float, ...]]:
        """Values that were set and are not the defaults, by name: of all instances."""
        found = {}
        for name in sorted(self._held):
            slot = self._slots[name]
            values = slot.packer.unpack_from(self.input_bytes, slot.at)
            if values != slot.packer.unpack(slot.packer.pack(*slot.whole(slot.default()))):
                found[name] = tuple(map(float, values))
        return found

    def set_track(self, name: str, data: bytes) -> None:
        """The file of an input's track: rows of f32, one a frame.

        Raises
        ------
        InputError
            The input has no track, or the file is not as long as scene.json says.
        """
        slot = self._slots.get(name)
        track = slot.feed.track if slot else None
        if slot is None or track is None:
            raise InputError(f"input {name!r}: has no track")
        wanted = 4 * track.frames * slot.elements
        if len(data) != wanted:
            raise InputError(
                f"{track.file}: wanted {wanted} bytes, {track.frames} frames of {slot.elements} "
                f"numbers, got {len(data)}; build the scene again"
            )
        values = array("f")
        values.frombytes(data)
        if not all(map(math.isfinite, values)):
            raise InputError(f"{track.file}: has numbers that are not finite")
        self._tracks[name] = values
        self._told = ()

    def _of(self, roles: Sequence[str]) -> list[_Slot]:
        return [slot for slot in self._slots.values() if slot.feed.role in roles]

    def _fill_time(self, timeline: Timeline) -> None:
        now = (timeline.time_s, timeline.duration_s, timeline.loop, self._count())
        if now == self._told:
            return
        self._told = now
        for slot in self._timed:
            if slot.feed.name not in self._held:
                role = slot.feed.role
                self._put(slot, [self._number(role, at, timeline) for at in slot.times(timeline)])
        for name, values in self._tracks.items():
            slot = self._slots[name]
            if name not in self._held:
                rows = [slot.sampled(values, at) for at in slot.times(timeline)]
                self._put(slot, [value for row in rows for value in row])

    def _number(self, role: str, time_s: float, timeline: Timeline) -> float:
        if role == "time":
            return time_s
        if role == "phase":
            length = timeline.duration_s
            return time_s / length if length else time_s - math.floor(time_s)
        return self._frame(time_s)

    def _count(self) -> int:
        """What the role ``frame`` depends on beside time."""
        return 0

    def _frame(self, time_s: float) -> float:
        """The number of the role ``frame``."""
        return math.floor(time_s * DEFAULT_FRAME_HZ + 1e-6)

    def _fill_camera(self, view: View) -> None:
        if (view, self.splat_scale) == self._seen:
            return
        self._seen = (view, self.splat_scale)
        for slot in self._camera:
            if slot.feed.name in self._held:
                continue
            spaces: Sequence[Space | None] = [None] * slot.copies
            if slot.copies == len(self._spaces):  # each sees the camera from its own space
                spaces = self._spaces
            role, transposed = slot.feed.role, slot.feed.transposed
            rows = [
                camera_values(role, view, space, transposed, self.splat_scale) for space in spaces
            ]
            self._put(slot, [value for row in rows for value in row])

    def _put(self, slot: _Slot, values: Sequence[float]) -> None:
        """Write values of one instance or of all."""
        self._write(slot, slot.packer.pack(*slot.whole(values)))

    def _write(self, slot: _Slot, data: bytes) -> None:
        place = slice(slot.at, slot.at + len(data))
        if self.input_bytes[place] != data:
            self.input_bytes[place] = data
            self._changed = True


class _Slot:
    """An input and its place in `INPUTS`."""

    def __init__(self, feed: FeedSpec, at: int) -> None:
        self.feed, self.at = feed, at
        self.elements = feed.elements
        self.copies = feed.shape[0] if feed.batched else 1
        self.size_bytes = 4 * self.elements * self.copies
        storage = STORAGE.get(feed.dtype, "f32")
        self.bounds = _RANGES.get(storage)
        code = {"f32": "f", "i32": "i", "u32": "I"}[storage]
        self.packer = struct.Struct(f"<{self.elements * self.copies}{code}")
        self._is_bool = feed.dtype == "bool"

    def default(self) -> Sequence[float]:
        """What it holds at first: of one instance."""
        feed = self.feed
        if feed.control is not None:
            return [feed.control.default]
        if feed.default is not None:
            return feed.default
        if feed.role == "joints" and feed.shape[-2:] == (4, 4):
            return IDENTITY * (self.elements // 16)
        return [0.0] * self.elements

    def whole(self, values: Sequence[float]) -> Sequence[float]:
        """Of all instances, as the buffer's elements."""
        if len(values) == self.elements and self.copies > 1:
            values = list(values) * self.copies
        return self.stored(values)

    def stored(self, values: Sequence[float]) -> Sequence[float]:
        """As the buffer's elements: integers are rounded and kept within 32 bits."""
        if self._is_bool:
            return [int(value != 0) for value in values]
        if self.bounds is None:
            return values
        low, high = self.bounds
        return [max(low, min(high, round(value))) for value in values]

    def checked(self, values: object) -> list[float]:
        """Numbers from outside, of one instance or of all."""
        name, flat = self.feed.name, list[float]()
        most = self.elements * self.copies
        try:
            _flatten(values, flat, most)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InputError(f"input {name!r}: wanted {most} finite numbers: {error}") from None
        if len(flat) not in (self.elements, most):
            wanted = f"{self.elements} or {most}" if self.copies > 1 else str(most)
            raise InputError(f"input {name!r}: wanted {wanted} numbers, got {len(flat)}")
        control = self.feed.control
        if control is not None:
            flat = [max(control.low, min(control.high, value)) for value in flat]
        return flat

    def times(self, timeline: Timeline) -> list[float]:
        """When each instance is, on the timeline."""
        offsets = self.feed.offsets_s
        if offsets is None or not self.feed.batched:
            return [timeline.time_s]
        return [timeline.wrapped(timeline.time_s + offset) for offset in offsets]

    def sampled(self, values: array[float], time_s: float) -> Sequence[float]:
        """The track's row at a time, between two frames linearly."""
        track = self.feed.track
        assert track is not None
        place = time_s * track.fps
        if track.loop:
            place %= track.frames
            first = min(int(place), track.frames - 1)
            second = (first + 1) % track.frames
        else:
            place = min(place, track.frames - 1)
            first = int(place)
            second = min(first + 1, track.frames - 1)
        share = place - first
        a = values[first * self.elements : (first + 1) * self.elements]
        if share == 0:
            return a
        b = values[second * self.elements : (second + 1) * self.elements]
        return [x + (y - x) * share for x, y in zip(a, b, strict=True)]


def _flatten(values: object, into: list[float], most: int) -> None:
    """Append the numbers of nested sequences, in order."""
    if isinstance(values, str | bytes | dict):
        raise TypeError(f"got {type(values).__name__}")
    if isinstance(values, Iterable):
        for value in values:
            _flatten(value, into, most)
        return
    number = float(values)  # type: ignore[arg-type]
    if not abs(number) <= 3.4e38:
        raise ValueError(f"got {number}")
    if len(into) >= most:
        raise ValueError("got more")
    into.append(number)
