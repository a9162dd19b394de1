"""A film: frames as numpy arrays, one after the other, at even distances in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

__all__ = ["Film"]


class Film(Iterator[NDArray[np.uint8]]):
    """Frames of a film, made by `vitrine.Scene.frames`.

    ``len(film)`` is how many there are in all. From its making on the scene is where the film is;
    at its end, when it is closed, or when nobody has it any more, the scene is as it was before,
    but for a generator's state.

    Attributes
    ----------
    fps : float
        Frames a second.
    size : (width, height)
        Pixels.
    """

    def __init__(
        self,
        frames: Iterator[NDArray[np.uint8]],
        count: int,
        fps: float,
        size: tuple[int, int],
        end: Callable[[], None],
    ) -> None:
        """``end`` is called once, when there are no more frames or none are wanted."""
        self._frames, self._count, self._end = frames, count, end
        self._done = False
        self.fps, self.size = fps, size

    def __len__(self) -> int:
        """Frames in all."""
        return self._count

    def __iter__(self) -> Film:
        """Itself."""
        return self

    def __next__(self) -> NDArray[np.uint8]:
        """The next frame.

        Returns
        -------
        (height, width, 3) uint8, or 4 channels of a transparent film

        Raises
        ------
        InputError
            The scene was disposed of meanwhile.
        """
        if self._done:
            raise StopIteration
        try:
            return next(self._frames)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it."""
        if not self._done:
            self._done = True
            self._end()

    def __del__(self) -> None:
        """End one that nobody looks at any more."""
        self.close()

    def __enter__(self) -> Film:
        """For ``with``."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.close()
