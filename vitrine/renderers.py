"""All that draws one scene: a renderer for its colours, and others beside it on the same device.

Each mode and each filter has one of its own, made when it is first wanted and kept, so that the
frames of a film compile and allocate nothing. The Gaussians are on the GPU once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pybuild.opening import Opened
from pybuild.render import Renderer
from pyengine.errors import InputError
from pyengine.passes.filter import Filtering

__all__ = ["Renderers"]

Size = tuple[int, int]


@dataclass(slots=True)
class _Filtered:
    """A filter at one of its sizes; ``shown`` is the size of the image that it was made for."""

    shown: Size
    filtering: Filtering
    renderer: Renderer


class Renderers:
    """The renderers of one scene.

    Parameters
    ----------
    opened : Opened
    size : (width, height)
        Pixels, of the first image.
    filters : mapping
        What `Opened.filtering` takes, by the filters' names.

    Attributes
    ----------
    colours : Renderer
        Whose engine is told what changes; the others follow it.

    Raises
    ------
    DeviceError
        No adapter, or the scene or the image is beyond its limits.
    """

    def __init__(self, opened: Opened, size: Size, filters: Mapping[str, str]) -> None:
        self._opened = opened
        self._texts = filters
        self.colours = Renderer(opened.scene, opened.load, *size, opened.network)
        self._modes: dict[str, Renderer] = {}
        self._filters: dict[str, _Filtered] = {}
        self._last = self.colours

    @property
    def names(self) -> list[str]:
        """Of the filters that may be put on."""
        return list(self._texts)

    def of(self, size: Size, mode: str = "", filter_: str = "") -> Renderer:
        """The renderer of a mode, of a filter, or of colours, for images of a size.

        It is where the scene is, and draws the next image whatever it is.

        Raises
        ------
        InputError
            There is no such filter, or its model is none.
        DeviceError
            The image is beyond what the adapter offers.
        """
        if filter_:
            found = self._sized(filter_, size)
        elif mode:
            found = self._of_mode(mode, size)
        else:
            found = self.colours
        found.resize(*size)
        if found is not self.colours:
            found.engine.go_on(self.colours.engine)
        if found is not self._last:  # its image is of another time
            found.engine.redraw()
            self._last = found
        return found

    def filtered(self, name: str, size: Size) -> Renderer:
        """The renderer of a filter at the size that it has; made for one if it was not yet.

        It is where the scene is.

        Raises
        ------
        InputError
            There is none of that name, or its model is no filter.
        """
        kept = self._filters.get(name)
        found = kept.renderer if kept else self._sized(name, size)
        found.engine.go_on(self.colours.engine)
        return found

    def close(self) -> None:
        """Free the device and all that is on it."""
        for filtered in self._filters.values():
            filtered.renderer.close()
        for renderer in self._modes.values():
            renderer.close()
        self.colours.close()

    def _of_mode(self, mode: str, size: Size) -> Renderer:
        if mode not in self._modes:
            self._modes[mode] = self._beside(size, mode=mode)
        return self._modes[mode]

    def _sized(self, name: str, size: Size) -> Renderer:
        kept = self._filters.get(name)
        if kept is not None and kept.shown == size:
            return kept.renderer
        if name not in self._texts:
            names = ", ".join(self._texts) or "none"
            raise InputError(f"filter {name!r}: there is none of that name; there are: {names}")
        filtering, files = self._opened.filtering(self._texts[name], size)
        if kept is not None and kept.filtering.rung == filtering.rung:
            kept.shown = size
            return kept.renderer
        made = self._beside(size, filtering, files)
        if kept is not None:
            before, shown = kept.renderer.engine.filter, made.engine.filter
            if before is not None and shown is not None:
                shown.take_over(before)
            kept.renderer.close()
        self._filters[name] = _Filtered(size, filtering, made)
        return made

    def _beside(
        self,
        size: Size,
        filtering: Filtering | None = None,
        files: Mapping[str, bytes] | None = None,
        mode: str = "",
    ) -> Renderer:
        return Renderer(
            self._opened.scene,
            self._opened.load,
            *size,
            filtering=filtering,
            filter_files=files,
            mode=mode,
            beside=self.colours,
        )
