"""Films of a scene: what is filmed, how long it takes, and how all is put back."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Unpack

from pyengine.camera_rig import Bookmark
from pyengine.film import begin_film
from vitrine.cameras import CameraPath
from vitrine.drawing import Drawing, Drawn, Image8
from vitrine.film import Film
from vitrine.values import plain

__all__ = ["Filming"]


class Filming(Drawing):
    """A scene's films."""

    _film: weakref.ref[Film] | None = None

    def frames(
        self,
        what: str | CameraPath = "turntable",
        *,
        fps: float = 30.0,
        seconds: float | None = None,
        width: int | None = None,
        height: int | None = None,
        **drawn: Unpack[Drawn],
    ) -> Film:
        """Draw a film, frame by frame.

        Each frame is ``1 / fps`` seconds after the one before, or as near to that as a whole number
        of frames allows, however long it takes to draw: the camera, a clip that plays, tracks and
        states go on by just that. Nothing is compiled or allocated on the GPU from the second frame
        on. What comes back to its beginning does not show it twice.

        Between two frames the scene may be changed: the next one has it.

        Parameters
        ----------
        what : str or CameraPath
            ``turntable``, one turn; ``path``, through the bookmarks; ``clip``, the generator's
            from its beginning; or a path of its own, by `camera_path`.
        fps : float
            Frames a second, 1 to 240.
        seconds : float, optional
            Of the whole film; unless given as long as the turn at its speed, 3 seconds from a
            camera to the next, the clip.
        width, height : int, optional
            Pixels; see `render`.
        **drawn
            As of `render`, for the whole film.

        Returns
        -------
        Film
            An iterator of (height, width, 3) uint8, whose ``len`` is the number of frames.

        Raises
        ------
        InputError
            There is nothing of the kind to film, or a value that cannot be; one of ``drawn`` is
            told with the first frame.
        """
        self._end_film()
        size = self.view(width=width, height=height)
        count, step_s, end = self._begun(what, fps, seconds)

        def draw() -> Iterator[Image8]:
            for index in range(count):
                if index:
                    self.advance(step_s)
                view = self.view(width=size.width, height=size.height)
                yield self._image(view, None, not index, **drawn)

        film = Film(draw(), count, float(fps), (size.width, size.height), end)
        self._film = weakref.ref(film)
        return film

    def dispose(self) -> None:
        """Free the GPU; a scene that was disposed of does nothing any more. May be called twice."""
        if not self._closed:
            self._end_film()
        super().dispose()

    def _begun(
        self, what: str | CameraPath, fps: float, seconds: float | None
    ) -> tuple[int, float, Callable[[], None]]:
        """Begin a film as the page does: how many frames, seconds between them, what ends it."""
        self._live()
        rig = self._stage.camera
        kept = dict(vars(rig))
        kind = "path" if isinstance(what, CameraPath) else what
        asked = plain({"what": kind, "seconds": seconds, "fps": fps})
        if isinstance(what, CameraPath):
            rig.bookmarks = [Bookmark("", camera.shot) for camera in what.cameras]
            rig.loop, rig.duration_s = what.loop, None
        try:
            begun = begin_film(rig, self._stage.engine, asked)
        except BaseException:
            vars(rig).update(kept)
            raise

        def end() -> None:
            begun.put_back()
            vars(rig).update(kept)
            self._tell_news()

        return begun.frames, begun.step_s, end

    def _end_film(self) -> None:
        film = self._film() if self._film else None
        if film is not None:
            film.close()
