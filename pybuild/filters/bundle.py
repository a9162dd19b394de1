"""Filters to a bundle: programs for each size, and what scene.json says of them.

::

    scene.json            the key ``filters``
    filter-<hash>/        a program's folder, one a network and size: docs/programs.md
    filter-buffers/       the files of their buffers: all sizes of a network have the same weights
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from pybuild.atomic import unwritable
from pybuild.bundle import SCENE_FILE
from pybuild.compress import rewrite
from pybuild.filters.compile import BACKGROUND, IMAGE, PREVIOUS, FilterProgram, compile_filter
from pybuild.filters.describe import describe_filter
from pybuild.filters.given import GivenFilter, parse_filter
from pybuild.filters.ladder import default_sizes
from pybuild.filters.retarget import Elastic
from pybuild.networks import Network
from pybuild.programs import PROGRAM_FILE, read_program, write_program
from pybuild.publishing import record_again
from pyengine.bundle import Scene
from pyengine.contract import FilterContract
from pyengine.errors import InputError
from pyengine.feeds import FeedSpec
from pyengine.filter import ladder
from pyengine.filter_spec import FilterSpec, Rung, StageSpec
from pyengine.passes.filter import Filtering
from pyengine.program import Program, Tensor

__all__ = [
    "MadeFilter",
    "add_filters",
    "make_filter",
    "make_filters",
    "picked",
    "read_filtering",
]

BUFFERS = "filter-buffers"
"""The bundle's folder of the files of its filters' buffers."""
TILED = (640, 360)
"""Width and height that a filter of tiles is made for, where nothing else is said."""

Size = tuple[int, int]
Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class MadeFilter:
    """A filter that is ready to be run or written.

    Attributes
    ----------
    spec : FilterSpec
    contracts : tuple of FilterContract
        Of each stage.
    networks : mapping
        Programs by their folders' names.
    """

    spec: FilterSpec
    contracts: tuple[FilterContract, ...]
    networks: Mapping[str, Network]

    def filtering(self, rung: int = 0, rests: bool = False) -> Filtering:
        """It at one of its sizes."""
        return _filtering(self.spec, self.spec.rungs[rung], self._networks(rung), rests)

    def files(self, rung: int = 0) -> dict[str, bytes]:
        """Content of the buffers' files of one size."""
        return _files(self._networks(rung))

    def _networks(self, rung: int) -> list[Network]:
        return [self.networks[name] for name in self.spec.rungs[rung].programs]


def make_filters(
    texts: Sequence[str], shown: Size | None = None, report: Report | None = None
) -> list[MadeFilter]:
    """The filters of a command line; the first is on when the scene opens.

    Parameters
    ----------
    texts : sequence of str
        See `pybuild.filters.given.parse_filter`.
    shown : (width, height), optional
        Make each for a canvas of these pixels alone; for a ladder of sizes otherwise.

    Raises
    ------
    InputError
        A text that says nothing, or two filters of one name.
    ContractError, GraphError
        A model that is no filter, or cannot be compiled.
    """
    tell = report or (lambda _what, _done: None)
    made: list[MadeFilter] = []
    for index, text in enumerate(texts):
        stages = parse_filter(text)
        low, step = index / len(texts), 1 / len(texts)

        def part(what: str, done: float, low: float = low, step: float = step) -> None:
            tell(what, low + step * done)

        found = make_filter(stages, shown, part)
        if any(other.spec.name == found.spec.name for other in made):
            raise InputError(
                f"--filter {text!r}: the name {found.spec.name!r} is there twice; add @name=..."
            )
        made.append(replace(found, spec=replace(found.spec, first=index == 0)))
    return made


def make_filter(
    stages: Sequence[GivenFilter], shown: Size | None = None, report: Report | None = None
) -> MadeFilter:
    """Compile a filter of one network or several, each reading the image of the one before."""
    tell = report or (lambda _what, _done: None)
    first = stages[0]
    contracts = tuple(describe_filter(stage.path, stage.override) for stage in stages)
    sizes = _sizes(stages, contracts, shown)
    networks: dict[str, Network] = {}
    rungs: list[Rung] = []
    specs: tuple[StageSpec, ...] = ()
    for index, size in enumerate(sizes):
        tell(f"compiling {first.name} for {size[0]}x{size[1]}", index / len(sizes))
        programs = _programs(stages, contracts, size)
        names = []
        for made in programs:
            name = _folder(made.compiled.program)
            networks[name] = Network(made.compiled.program, made.compiled.files)
            names.append(name)
        rung = Rung(size, programs[-1].output, tuple(names))
        rungs.append(rung)
        specs = tuple(_stage(stage, made) for stage, made in zip(stages, programs, strict=True))
    strength = next((s.strength for s in stages if s.strength is not None), 1.0)
    spec = FilterSpec(
        name=" + ".join(stage.name for stage in stages),
        stages=specs,
        rungs=tuple(rungs),
        strength=strength,
        depth=any(feed.role == "depth" for feed in contracts[0].inputs),
        buffers=BUFFERS,
    )
    tell(f"compiled {first.name}", 1.0)
    return MadeFilter(FilterSpec.parse(spec.to_dict()), contracts, networks)


def _sizes(
    stages: Sequence[GivenFilter], contracts: Sequence[FilterContract], shown: Size | None
) -> list[Size]:
    """What splats are drawn at."""
    first = stages[0]
    if first.sizes:
        return list(first.sizes)
    if first.tiles is not None:
        return [shown or TILED]
    models = [Elastic(s.path, c) for s, c in zip(stages, contracts, strict=True)]
    reaches = [model.reach() for model in models]
    grown = math.prod((reach.ratio[0] for reach in reaches), start=Fraction(1))
    if shown is None or (reaches[0].fixed and reaches[0].own is not None):
        sizes = default_sizes(reaches[0], grown)
        return [size for size in sizes if models[0].fits(size)] or sizes[:1]
    width, height = (max(1, round(side / grown)) for side in shown)
    return [(width, height)]


def _programs(
    stages: Sequence[GivenFilter], contracts: Sequence[FilterContract], size: Size
) -> list[FilterProgram]:
    """Of each stage, for splats drawn at one size."""
    made: list[FilterProgram] = []
    for stage, contract in zip(stages, contracts, strict=True):
        later = bool(made)
        program = compile_filter(
            stage.path,
            contract,
            made[-1].output if later else size,
            "image" if later else "render",
            stage.tiles,
            stage.weights or "f32",
            packed=stage is stages[-1] and _is_packable(contract),
        )
        if later and any(feed.role == "depth" for feed in contract.inputs):
            raise InputError(f"{stage.path}: reads depth, so it must be the first of a chain")
        made.append(program)
    return made


def _is_packable(contract: FilterContract) -> bool:
    """Whether ten bits a channel will do: what is fed back keeps all, and grey is no pixel yet."""
    fed_back = any(feed.role == PREVIOUS for feed in contract.inputs)
    return not fed_back and contract.image.channels != "gray"


def _folder(program: Program) -> str:
    return f"filter-{hashlib.sha256(program.to_json().encode()).hexdigest()[:12]}"


def _stage(given: GivenFilter, made: FilterProgram) -> StageSpec:
    """What the host fills of a program's inputs, and which are fed back."""
    states = {}
    feeds = []
    roles = {feed.name: feed for feed in made.contract.inputs}
    for tensor in made.compiled.program.inputs:
        source = roles.get(tensor.name)
        if tensor.name == PREVIOUS and (source is None or source.role == PREVIOUS):
            states[PREVIOUS] = IMAGE
        elif tensor.name == IMAGE and (source is None or source.role == IMAGE):
            continue
        elif source is not None and source.role == "state":
            states[tensor.name] = f"state.{source.state}"
        else:
            feeds.append(_feed(tensor, made.contract))
    return StageSpec(given.name, tuple(feeds), states)


def _feed(tensor: Tensor, contract: FilterContract) -> FeedSpec:
    if tensor.name == BACKGROUND:
        return FeedSpec(tensor.name, "background", tensor.shape, tensor.dtype)
    source = next(feed for feed in contract.inputs if feed.name == tensor.name)
    return FeedSpec(
        tensor.name,
        source.role,
        tensor.shape,
        tensor.dtype,
        default=source.default,
        control=source.control,
    )


def add_filters(folder: Path, made: Sequence[MadeFilter]) -> Scene:
    """Write filters into a bundle; those that it had go.

    Parameters
    ----------
    folder : Path
        That holds scene.json, perhaps with a compressed sibling: it is written anew. Where it is
        that of a built site, the site's record names the new files, and no page keeps old ones.
    """
    path = folder / SCENE_FILE
    scene = Scene.from_json(path.read_bytes(), str(path))
    scene = replace(scene, filters=tuple(item.spec for item in made))
    for item in made:
        for name, network in item.networks.items():
            shared = folder / item.spec.buffers if item.spec.buffers else None
            write_program(folder / name, network.program, network.files, buffers=shared)
    rewrite(path, (scene.to_json() + "\n").encode())
    _drop(folder, made)
    record_again(folder, "filter-*/**/*")
    return scene


def _drop(folder: Path, made: Sequence[MadeFilter]) -> None:
    """Remove programs and shared buffers that no filter has any more."""
    programs = {name for item in made for name in item.networks}
    sharing = [net for item in made if item.spec.buffers for net in item.networks.values()]
    named = {file for network in sharing for file in network.program.files}
    shared = folder / BUFFERS
    with unwritable(folder):
        for old in folder.glob("filter-*"):
            if old.name not in programs and (old / PROGRAM_FILE).is_file():
                shutil.rmtree(old)
        for old in shared.glob("*.bin*"):
            if old.name.removesuffix(".br") not in named:
                old.unlink()
        if shared.is_dir() and not any(shared.iterdir()):
            shared.rmdir()


def picked(spec: FilterSpec, shown: Size) -> int:
    """The size of a built filter for an image of so many pixels: the first of its ladder."""
    return ladder(spec, *shown)[0]


def read_filtering(
    folder: Path, scene: Scene, name: str, shown: Size
) -> tuple[Filtering, dict[str, bytes]]:
    """A filter of a bundle, for an image of so many pixels, and its buffers' files.

    Parameters
    ----------
    folder : Path
        That holds scene.json.

    Raises
    ------
    InputError
        The scene has no such filter.
    BundleError
        A file is missing or damaged.
    """
    spec = next((item for item in scene.filters if item.name == name), None)
    if spec is None:
        names = ", ".join(item.name for item in scene.filters) or "none"
        raise InputError(f"{folder}: has no filter {name!r}; there are: {names}")
    rung = spec.rungs[picked(spec, shown)]
    shared = folder / spec.buffers if spec.buffers else None
    networks = [Network(*read_program(folder / program, shared)) for program in rung.programs]
    return _filtering(spec, rung, networks, rests=False), _files(networks)


def _filtering(spec: FilterSpec, rung: Rung, networks: Sequence[Network], rests: bool) -> Filtering:
    programs = tuple(network.program for network in networks)
    return Filtering(spec, rung, programs, tuple(net.shaders for net in networks), rests)


def _files(networks: Iterable[Network]) -> dict[str, bytes]:
    """Content of all their files by name, which is by content."""
    return {name: data for network in networks for name, data in network.files.items()}
