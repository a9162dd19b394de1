"""The clock of a scene, the inputs of its networks, and its filters."""

from __future__ import annotations

import math
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps

from pybuild.generators.given import read_given
from pybuild.options import GeneratorOptions
from pyengine.errors import InputError
from pyengine.feeds import FeedSpec
from vitrine.looking import Looking

__all__ = ["Playing"]

Picture = str | PathLike[str] | Image.Image | NDArray[np.uint8]


class Playing(Looking):
    """A scene's time, inputs and filters."""

    _filter = ""

    @property
    def time(self) -> float:
        """Seconds into the clip; set it to go there, as by `seek`."""
        return self._engine.timeline.time_s

    @time.setter
    def time(self, seconds: float) -> None:
        self.seek(seconds)

    @property
    def duration(self) -> float:
        """Of the clip, seconds; infinite where there is none."""
        length = self._engine.timeline.duration_s
        return math.inf if length is None else length

    @property
    def paused(self) -> bool:
        """Whether time stands still; a scene begins so."""
        return not self._engine.timeline.playing

    @property
    def speed(self) -> float:
        """Times real time, -100 to 100; negative goes backwards."""
        return self._engine.timeline.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._engine.timeline.set_speed(_finite(speed, "speed"))

    @property
    def loop(self) -> bool:
        """Whether the clip begins again at its end."""
        return self._engine.timeline.loop

    @loop.setter
    def loop(self, on: bool) -> None:
        self._engine.timeline.loop = bool(on)

    def play(self) -> None:
        """Let time go on where `advance` or a film lets it pass."""
        self._engine.timeline.play()
        self._tell_news()

    def pause(self) -> None:
        """Stop time."""
        self._engine.timeline.pause()
        self._tell_news()

    def seek(self, seconds: float) -> None:
        """Go to a time of the clip, playing or not; a generator's state stays as it is.

        Raises
        ------
        InputError
            No finite number.
        """
        self._engine.timeline.seek(_finite(seconds, "time"))
        self._tell_news()

    def restart(self) -> None:
        """Time 0, and the first state of a generator that has one."""
        self._engine.timeline.seek(0.0)
        if self._engine.generator is not None:
            self._engine.generator.reset_state()
        self._tell_news()

    def advance(self, seconds: float) -> None:
        """Let time pass, as it does by itself in a page.

        The clip goes on if it plays, a state does all its steps, and the camera goes on where
        something moves it.

        Parameters
        ----------
        seconds : float
            0 or more.

        Raises
        ------
        InputError
            No such number.
        """
        if _finite(seconds, "seconds") < 0:
            raise InputError(f"seconds: wanted 0 or more, got {seconds!r}; time runs back by speed")
        self._rig.advance(seconds)
        self._renderers.colours.advance(self.view(), float(seconds))
        self._tell_news()

    def set_input(self, name: str, values: ArrayLike | None) -> None:
        """Give an input of the generator, or of the filter that is on, its values.

        Parameters
        ----------
        name : str
        values : number or array
            As many as one instance takes, which then all take, or as all take; of an input of
            pictures (height, width, 3 or 4) uint8 of its own size. A slider's value is kept within
            its range. None gives the input back to what fills it otherwise: its default, its
            track, the clock, the camera.

        Raises
        ------
        InputError
            There is no such input, or the numbers are not as many, or not finite.
        """
        made = self._renderers.colours
        if self._feed(name) is None and self._filter:
            made = self._renderers.filtered(self._filter, self._size)
        made.set_input(name, values)

    def set_image(self, name: str, source: Picture) -> None:
        """Show an image input a picture, which covers the input's size.

        Parameters
        ----------
        name : str
        source : path, PIL.Image.Image or (height, width, 3 or 4) uint8
            What juts out is cut off evenly.

        Raises
        ------
        InputError
            There is no such input, or it takes no picture, or that cannot be read.
        """
        feed = self._feed(name)
        spec = self._engine.scene.generator
        if spec is None or feed is None or feed.image is None:
            there = [feed.name for feed in spec.feeds if feed.image] if spec else []
            raise InputError(
                f"input {name!r}: takes no picture; there are: {', '.join(there) or 'none'}"
            )
        if isinstance(source, str | PathLike):
            given = GeneratorOptions(inputs=(f"{name}={Path(source)}",))
            self.set_input(name, read_given(given, spec).values[name])
            return
        if isinstance(source, np.ndarray):
            source = _pictured(name, source)
        size = (feed.image.width, feed.image.height)
        fitted = ImageOps.fit(source.convert("RGB"), size, Image.Resampling.LANCZOS)
        self.set_input(name, np.asarray(fitted, np.uint8))

    @property
    def filter(self) -> str:
        """Name of the filter that is on, empty for none; set it to put one on."""
        return self._filter

    @filter.setter
    def filter(self, name: str | None) -> None:
        self.set_filter(name)

    @property
    def filters(self) -> list[str]:
        """Names of the filters that may be put on."""
        return self._renderers.names

    def set_filter(
        self, name: str | None, *, strength: float | None = None, split: float | None = None
    ) -> None:
        """Put a filter on; None, ``""`` or ``"none"`` takes it off.

        Parameters
        ----------
        name : str or None
        strength : float, optional
            0 to 1: how much of it is shown; stays as it is unless given.
        split : float, optional
            0 to 1: share of the width, from the left, that is shown as it was.

        Raises
        ------
        InputError
            There is no such filter, it cannot be compiled, or a value is none from 0 to 1.
        """
        self._live()
        wanted = "" if name in (None, "none") else str(name)
        if wanted:
            shown = self._renderers.filtered(wanted, self._size).engine.filter
            assert shown is not None
            shown.set_shown(strength, split)
        if wanted != self._filter:
            self._filter = wanted
            self._tell("filter", {"name": wanted})

    def _feed(self, name: str) -> FeedSpec | None:
        """An input of the generator."""
        spec = self._engine.scene.generator
        feeds = spec.feeds if spec is not None else ()
        return next((feed for feed in feeds if feed.name == name), None)


def _finite(value: float, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name}: wanted a finite number, got {value!r}")
    return number


def _pictured(name: str, pixels: NDArray[np.uint8]) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise InputError(
            f"input {name!r}: wanted a picture of (height, width, 3 or 4) uint8, got "
            f"{pixels.dtype} {list(pixels.shape)}"
        )
    return Image.fromarray(pixels)
