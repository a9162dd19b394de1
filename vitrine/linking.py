"""Links that show a view again, and the annotations that they carry."""

from __future__ import annotations

from typing import Any, TypedDict

from pyengine.engine import Engine
from pyengine.errors import ViewError, VitrineError
from vitrine.arranging import Arranging
from vitrine.cameras import Vector
from vitrine.playing import Playing
from vitrine.values import point

__all__ = ["Annotation", "Linking"]


class Annotation(TypedDict):
    """A text at a place of the world."""

    id: str
    position: tuple[float, float, float]
    text: str


class Linking(Playing, Arranging):
    """A scene's links and annotations."""

    _notes: tuple[Annotation, ...] = ()
    _notes_made = 0

    def link(self, address: str = "") -> str:
        """The address of a page with the view in it: camera, bookmarks, clip, inputs, look ...

        Parameters
        ----------
        address : str
            Of a page that shows this scene; its own part behind # is left out.

        Returns
        -------
        str
            ``address#v=1&...``: docs/embedding.md has the names.
        """
        notes = [{"position": note["position"], "text": note["text"]} for note in self._notes]
        engine = self._seen()
        value, _ = self._ask("share", engine=engine, show=self.mode, notes=notes)
        return f"{address.partition('#')[0]}#{value['text']}"

    def open_link(self, link: str) -> list[str]:
        """Show what a link says; what it does not say is as the scene has it.

        Parameters
        ----------
        link : str
            An address with a # in it, or what stands behind that.

        Returns
        -------
        list of str
            What is malformed or not there, and was passed over; a sentence each.

        Raises
        ------
        ViewError
            It is no link of a view.
        """
        before, mark, after = link.partition("#")
        engine = self._seen()
        told, _ = self._ask("open", engine=engine, text=after if mark else before)
        if not told["opened"]:
            why = "; ".join(told["problems"])
            raise ViewError(why or f"link: wanted ADDRESS#v=1&..., got {link[:80]!r}")
        if engine is not self._engine:
            self._engine.go_on(engine)
        self._annotations_become([])
        for note in told["notes"]:
            self.annotate(note["position"], note["text"])
        self.mode = told["show"]
        if told["time"] is not None:
            self.seek(told["time"])
        if told["playing"] is not None:
            (self.play if told["playing"] else self.pause)()
        return [*told["problems"], *self._fed(told)]

    def _fed(self, told: dict[str, Any]) -> list[str]:
        """Put the filter on and give the inputs what a link says; what could not be done."""
        given = {name: values for name, values in told["inputs"].items() if values is not None}
        for name in told["inputs"].keys() - given.keys():
            self.set_input(name, None)  # before the filter that has it goes
        problems = []
        try:
            if told["filter"] is not None:
                self.set_filter(told["filter"], **told["look"])
        except VitrineError as error:
            problems.append(str(error))
        for name, values in given.items():
            try:
                self.set_input(name, values)
            except VitrineError as error:
                problems.append(str(error))
        return problems

    def _seen(self) -> Engine:
        """The engine of what is on, with its filter."""
        self._live()
        if not self._filter:
            return self._engine
        return self._renderers.filtered(self._filter, self._size).engine

    @property
    def annotations(self) -> list[Annotation]:
        """All annotations; a new list replaces them. A page shows them, images do not."""
        self._live()
        return [note.copy() for note in self._notes]

    @annotations.setter
    def annotations(self, notes: list[Annotation]) -> None:
        self._annotations_become(notes)

    def annotate(self, position: Vector, text: str, id: str = "") -> str:
        """Add an annotation, which links carry.

        Parameters
        ----------
        position : (3,) float
            World units.
        text : str
        id : str
            A number of its own unless given.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        ViewError
            No point, no text, or an id that is there.
        """
        self._live()
        made = self._noted(position, text, id)
        self._notes = (*self._notes, made)
        return made["id"]

    def remove_annotation(self, id: str) -> bool:
        """Remove an annotation; whether it was there."""
        self._live()
        before = len(self._notes)
        self._notes = tuple(note for note in self._notes if note["id"] != id)
        return len(self._notes) < before

    def _annotations_become(self, notes: list[Annotation]) -> None:
        kept, self._notes = self._notes, ()
        try:
            for note in notes:
                self.annotate(note["position"], note["text"], note.get("id", ""))
        except BaseException:
            self._notes = kept
            raise

    def _noted(self, position: Vector, text: str, own: str) -> Annotation:
        place = point(position, "annotate: position")
        if not isinstance(text, str) or not text:
            raise ViewError(f"annotate: wanted a text, got {text!r}")
        there = {note["id"] for note in self._notes}
        if own in there:
            raise ViewError(f"annotate: there is one of the id {own!r}; remove it first")
        while not own or own in there:
            self._notes_made += 1
            own = f"note-{self._notes_made}"
        return Annotation(id=own, position=place, text=text)
