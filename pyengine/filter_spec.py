"""What scene.json says of its filters: the key ``filters``, checked before anything trusts it.

A filter is one network or several, each of which reads the image of the one before: its stages.
Kernels are written for sizes known at build, so each filter has a ladder of them: its rungs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyengine.errors import BundleError
from pyengine.feeds import FeedSpec, read_feed
from pyengine.fields import Fields
from pyengine.plan import OFFSET_ALIGNMENT, Range

__all__ = [
    "FILTER_INPUTS",
    "FILTER_ROLES",
    "MAX_FILTERS",
    "FilterSpec",
    "Rung",
    "StageSpec",
]

FILTER_INPUTS = "filter.inputs"
"""The buffer that the host fills whenever a filter's inputs changed."""

FILTER_ROLES = ("background", "time", "frame", "viewport", "control", "latent")
"""What the host may fill of a filter's inputs; docs/contract.md says what each holds."""

MAX_FILTERS = 64
_MAX_STAGES = 8
_MAX_RUNGS = 64
_MAX_FEEDS = 64
_MAX_STATES = 64
_MAX_SIZE_PX = 16384
_MAX_NAME = 200
_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_NAME = re.compile(r"[^\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One network of a filter.

    Attributes
    ----------
    label : str
        For people: the model's name.
    feeds : tuple of FeedSpec
        Inputs of the program that the host fills, with roles of `FILTER_ROLES`.
    states : mapping
        Inputs that are fed back to the outputs of the run before: ``previous`` to ``image``.
    """

    label: str
    feeds: tuple[FeedSpec, ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As scene.json has it."""
        return {
            "label": self.label,
            "feeds": [feed.to_dict() for feed in self.feeds],
            "states": dict(self.states),
        }


@dataclass(frozen=True, slots=True)
class Rung:
    """A size that a filter was compiled for.

    Attributes
    ----------
    render, output : (width, height)
        Pixels of the splats' image, and of what the last stage writes.
    programs : tuple of str
        Folder of each stage's program in the bundle.
    """

    render: tuple[int, int]
    output: tuple[int, int]
    programs: tuple[str, ...]

    @property
    def pixels(self) -> int:
        """Pixels that it shows."""
        return self.output[0] * self.output[1]

    def to_dict(self) -> dict[str, Any]:
        """As scene.json has it."""
        return {
            "render": list(self.render),
            "output": list(self.output),
            "programs": list(self.programs),
        }


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """A filter in a bundle.

    Attributes
    ----------
    name : str
        By which it is picked; another for each filter of a scene.
    strength : float
        0 to 1: how much of its image is shown unless told otherwise.
    depth : bool
        The first stage reads the splats' depth too.
    first : bool
        It is on when the scene opens.
    buffers : str
        Folder of the bundle with the files of all its programs' buffers, as its sizes share their
        weights; empty: they lie in each program's own.
    """

    name: str
    stages: tuple[StageSpec, ...]
    rungs: tuple[Rung, ...]
    strength: float = 1.0
    depth: bool = False
    first: bool = False
    buffers: str = ""

    @property
    def stateful(self) -> bool:
        """Whether a run depends on the run before."""
        return any(stage.states for stage in self.stages)

    def inputs(self) -> list[tuple[FeedSpec, Range]]:
        """What the host fills, under names that are each there once, and where it lies.

        An input of a stage whose name an earlier one has is called ``name#stage``.
        """
        found: dict[str, tuple[FeedSpec, Range]] = {}
        at = 0
        for index, stage in enumerate(self.stages):
            for feed in stage.feeds:
                name = feed.name if feed.name not in found else f"{feed.name}#{index}"
                found[name] = feed.named(name), Range(FILTER_INPUTS, at, feed.size_bytes)
                at += -(-feed.size_bytes // OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT
        return list(found.values())

    def stage_ranges(self) -> list[dict[str, Range]]:
        """Of each stage, where its inputs lie, by the program's names."""
        places = iter(self.inputs())
        return [{feed.name: next(places)[1] for feed in stage.feeds} for stage in self.stages]

    @property
    def input_bytes(self) -> int:
        """Size of `FILTER_INPUTS`."""
        sizes = [part.offset_bytes + part.size_bytes for _, part in self.inputs()]
        return max(-(-max(sizes, default=0) // OFFSET_ALIGNMENT), 1) * OFFSET_ALIGNMENT

    def to_dict(self) -> dict[str, Any]:
        """As scene.json has it."""
        return {
            "name": self.name,
            "stages": [stage.to_dict() for stage in self.stages],
            "rungs": [rung.to_dict() for rung in self.rungs],
            "strength": self.strength,
            "depth": self.depth,
            "first": self.first,
            "buffers": self.buffers,
        }

    @classmethod
    def parse(cls, value: object, where: str = "scene.json: filter") -> FilterSpec:
        """Read and check.

        Raises
        ------
        BundleError
            A key that is missing or unknown, a value of the wrong type or range, a rung without a
            program for each stage.
        """
        names = ("name", "stages", "rungs", "strength", "depth", "first")
        fields = Fields(value, where, names, ("buffers",))
        name = fields.text("name", _MAX_NAME, _NAME)
        where = f"{where} ({name})"
        spec = cls(
            name=name,
            stages=fields.each("stages", _MAX_STAGES, _stage),
            rungs=fields.each("rungs", _MAX_RUNGS, _rung),
            strength=fields.number("strength", 0.0, 1.0),
            depth=fields.flag("depth"),
            first=fields.flag("first"),
            buffers=_folder(fields),
        )
        if not spec.stages or not spec.rungs:
            raise BundleError(f"{where}: wanted a stage and a rung at least; build it again")
        for rung in spec.rungs:
            if len(rung.programs) != len(spec.stages):
                raise BundleError(
                    f"{where}: wanted {len(spec.stages)} 'programs' in each rung, got "
                    f"{len(rung.programs)}; build it again"
                )
        return spec


def _stage(value: object, where: str) -> StageSpec:
    fields = Fields(value, where, ("label", "feeds", "states"))
    feeds = fields.each("feeds", _MAX_FEEDS, read_feed)
    for feed in feeds:
        if feed.role not in FILTER_ROLES:
            raise BundleError(
                f"{where}: input {feed.name!r}: wanted a role of {', '.join(FILTER_ROLES)}, got "
                f"{feed.role!r}"
            )
    names = [feed.name for feed in feeds]
    states = fields.mapping("states", _MAX_STATES, _MAX_NAME)
    for name, output in states.items():
        if not isinstance(output, str):
            raise BundleError(f"{where}: state {name!r} must be an output's name, got {output!r}")
    if len({*names, *states}) != len(names) + len(states):
        raise BundleError(f"{where}: an input is there twice")
    return StageSpec(fields.text("label", _MAX_NAME, _NAME), feeds, states)


def _folder(fields: Fields) -> str:
    """Of the buffers' files; bundles of before have none."""
    return "" if fields["buffers"] in (None, "") else fields.text("buffers", 100, _FOLDER)


def _rung(value: object, where: str) -> Rung:
    fields = Fields(value, where, ("render", "output", "programs"))
    programs = fields.strings("programs", _MAX_STAGES, 100)
    for program in programs:
        if not _FOLDER.fullmatch(program):
            raise fields.fault("programs", "plain folder names")
    return Rung(_size(fields, "render"), _size(fields, "output"), programs)


def _size(fields: Fields, name: str) -> tuple[int, int]:
    sizes = fields.integers(name, 2, 1, _MAX_SIZE_PX)
    if len(sizes) != 2:
        raise fields.fault(name, "a width and a height")
    return sizes[0], sizes[1]
