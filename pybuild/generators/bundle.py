"""A generator's model to a bundle: the compiled program, the tracks, and the scene.json.

::

    scene.json                      as of any scene, with the key ``generator``
    generator-<hash>/               the program's folder: docs/programs.md
    track-<hash>.bin                f32 rows, one a frame
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pybuild.atomic import unwritable, write_bytes
from pybuild.bundle import SCENE_FILE
from pybuild.framing import pose_before
from pybuild.generators.compile import FRUSTUM, VIEW, GeneratorProgram, compile_generator
from pybuild.generators.describe import describe
from pybuild.generators.extent import corners, extent
from pybuild.generators.given import Given, read_given
from pybuild.networks import Network, input_bytes
from pybuild.options import BuildOptions, posed
from pybuild.programs import file_name, write_program
from pyengine.bundle import Pose, Scene
from pyengine.camera_inputs import IDENTITY
from pyengine.contract import Clip, Contract
from pyengine.errors import InputError
from pyengine.feeds import FeedSpec, Track
from pyengine.generator_spec import GeneratorSpec
from pyengine.program import Tensor

__all__ = ["Made", "make_generator", "write_generator", "write_made"]

Report = Callable[[str, float], None]
Vector = tuple[float, float, float]
Box = tuple[Vector, Vector]

EACH = ("joints", "weights", "latent")
"""Roles that every instance has for itself."""
OWN_CAMERA = ("camera.view", "camera.position")
"""Roles that differ between instances because they stand at different places."""
GAP = 1.15
"""Instances side by side are so many of their widths apart."""
_NOWHERE: Box = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True, slots=True)
class Made:
    """A generator that is ready to be drawn or written.

    Attributes
    ----------
    contract : Contract
    scene : Scene
    network : Network
    tracks : mapping
        Content of each track by its file's name.
    given : Given
        What the user gave; values of all instances together are not in the scene.
    notices : tuple of str
        What the user should know.
    """

    contract: Contract
    scene: Scene
    network: Network
    tracks: Mapping[str, bytes]
    given: Given
    notices: tuple[str, ...] = ()


def make_generator(
    model: Path, options: BuildOptions | None = None, report: Report | None = None
) -> Made:
    """Compile a model, and find out how far it reaches and where the camera starts.

    Parameters
    ----------
    model : Path
        An ONNX file.
    options : BuildOptions, optional
    report : callable, optional
        Told what is being done, and how much of the whole is done.

    Raises
    ------
    ContractError, GraphError
        The model is no generator, or cannot be compiled.
    InputError
        An option that the model has no use for, or bounds that cannot be found.
    """
    options = options or BuildOptions()
    tell = report or (lambda _what, _done: None)
    if options.up:
        raise InputError(f"{model}: --up is for scene files; a generator says how it stands")
    tell(f"reading {model.name}", 0.0)
    contract = describe(model)
    given = read_given(options.generator, contract)
    tell("compiling", 0.2)
    several = given.instances > 1
    batched = _batched(contract, given) if several else ()
    program = compile_generator(model, contract, given.instances, batched)
    box = contract.bounds
    if box is None:
        tell("finding out how far it reaches", 0.5)
        alone = program
        if several or not program.left_out:
            alone = compile_generator(model, contract, visible_first=False)
        box = _run_for_bounds(alone, contract, given)
    transforms = given.transforms or _side_by_side(box, given.instances)
    spec, tracks = _spec(program, contract, given, transforms)
    scene = _scene(spec, contract, _around(box, transforms), options)
    tell("done", 1.0)
    network = _network(program, spec, tracks)
    return Made(contract, scene, network, tracks, given)


def write_generator(
    model: Path, folder: Path, options: BuildOptions | None = None, report: Report | None = None
) -> Made:
    """Make a generator's bundle in a folder, which is made if it is missing.

    The description is written last, so that a folder that is read meanwhile holds the old scene or
    the new one; what only the old one needs is removed then.

    Raises
    ------
    InputError
        As `make_generator`; values that are of all instances together; or the folder cannot be
        written.
    """
    made = make_generator(model, options, report)
    write_made(made, folder)
    return made


def write_made(made: Made, folder: Path) -> None:
    """Write the program, the tracks and scene.json as `write_generator` does.

    Raises
    ------
    InputError
        Values that are of all instances together, or the folder cannot be written.
    """
    for name, value in made.given.values.items():
        feed = next(feed for feed in _spec_of(made.scene).feeds if feed.name == name)
        if feed.role != "image" and value.size != feed.elements:
            raise InputError(
                f"--input {name}: a built scene keeps the values of one instance "
                f"({feed.elements} numbers), got {value.size}; in the page each has its own by "
                "setInput"
            )
    with unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    spec = _spec_of(made.scene)
    write_program(folder / spec.program, made.network.program, made.network.files)
    for file, data in made.tracks.items():
        write_bytes(folder / file, data)
    write_bytes(folder / SCENE_FILE, (made.scene.to_json() + "\n").encode())
    with unwritable(folder):
        for path in folder.glob("generator-*"):
            if path.name != spec.program and (path / "program.json").is_file():
                shutil.rmtree(path)
        for path in folder.glob("track-*.bin"):
            if path.name not in made.tracks:
                path.unlink()


def _spec_of(scene: Scene) -> GeneratorSpec:
    assert scene.generator is not None
    return scene.generator


def _batched(contract: Contract, given: Given) -> list[str]:
    """Inputs that each instance has for itself."""
    return [
        feed.name
        for feed in contract.inputs
        if feed.role in (*EACH, *OWN_CAMERA) or feed.name in given.tracks
    ]


def _run_for_bounds(program: GeneratorProgram, contract: Contract, given: Given) -> Box:
    """Bounds of one instance, by running it."""
    one = replace(given, instances=1)
    spec, tracks = _spec(program, contract, one, (IDENTITY,))
    scene = _scene(spec, contract, _NOWHERE, BuildOptions())
    low, high = extent(scene, _network(program, spec, tracks))
    return _vector(low), _vector(high)


def _spec(
    program: GeneratorProgram,
    contract: Contract,
    given: Given,
    transforms: tuple[tuple[float, ...], ...],
) -> tuple[GeneratorSpec, dict[str, bytes]]:
    """What scene.json says of the generator, and its tracks by file."""
    tracks: dict[str, bytes] = {}
    feeds = []
    for tensor in program.compiled.program.inputs:
        feed = _feed(tensor, program, contract, given)
        track = given.tracks.get(tensor.name)
        if track is not None:
            data = track.frames.astype("<f4").tobytes()
            file = file_name("track", data)
            tracks[file] = data
            feed = replace(feed, track=Track(file, len(track.frames), track.fps, True))
            if program.instances > 1:
                steps = range(program.instances)
                shift = track.duration_s / program.instances
                feed = replace(feed, offsets_s=tuple(shift * step for step in steps))
        feeds.append(feed)
    clip = contract.clip
    if clip is None and given.tracks:
        clip = Clip(max(track.duration_s for track in given.tracks.values()), True)
    text = program.compiled.program.to_json().encode()
    outputs = {tensor.name for tensor in program.compiled.program.outputs}
    spec = GeneratorSpec(
        program=f"generator-{hashlib.sha256(text).hexdigest()[:12]}",
        instances=program.instances,
        capacity=contract.capacity,
        counted="gaussian.count" in outputs,
        transforms=transforms,
        feeds=tuple(feeds),
        clip=clip,
        rate_hz=contract.rate_hz,
    )
    return GeneratorSpec.parse(spec.to_dict()), tracks


def _feed(tensor: Tensor, program: GeneratorProgram, contract: Contract, given: Given) -> FeedSpec:
    """An input of the program: the model's, or one that the test of visibility adds."""
    added = {VIEW: "camera.view", FRUSTUM: "camera.frustum"}
    source = next((feed for feed in contract.inputs if feed.name == tensor.name), None)
    if source is None:
        return FeedSpec(tensor.name, added[tensor.name], tensor.shape, tensor.dtype)
    feed = FeedSpec(
        name=tensor.name,
        role=source.role,
        shape=tensor.shape,
        dtype=tensor.dtype,
        batched=tensor.name in program.batched,
        transposed=source.transposed,
        default=source.default,
        control=source.control,
        image=source.image,
        state=source.state,
    )
    value = given.values.get(tensor.name)
    if value is None or (feed.role != "image" and value.size != feed.elements):
        return feed
    words = np.frombuffer(input_bytes(feed, value), _STORED.get(tensor.storage, "<f4"))
    default = tuple(float(item) for item in words)
    if feed.control is not None:
        return replace(feed, default=default, control=replace(feed.control, default=default[0]))
    return replace(feed, default=default)


_STORED = {"f32": "<f4", "i32": "<i4", "u32": "<u4"}


def _scene(spec: GeneratorSpec, contract: Contract, box: Box, options: BuildOptions) -> Scene:
    default = pose_before(np.array(box[0]), np.array(box[1]))
    if contract.pose is not None and spec.instances == 1:
        default = Pose(*contract.pose)
    return Scene(
        count=spec.instances * spec.capacity,
        sh_degree=contract.sh_degree,
        antialiased=contract.antialiased,
        bounds=box,
        pose=posed(default, options.eye, options.target, options.fov_deg),
        background=options.background or contract.background or (0.0, 0.0, 0.0),
        buffers={},
        generator=spec,
    )


def _network(
    program: GeneratorProgram, spec: GeneratorSpec, tracks: Mapping[str, bytes]
) -> Network:
    compiled = program.compiled
    named = {f.name: tracks[f.track.file] for f in spec.feeds if f.track is not None}
    return Network(compiled.program, compiled.files, named)


def _side_by_side(box: Box, instances: int) -> tuple[tuple[float, ...], ...]:
    """In a row along x, the middle one where the model is."""
    width = max(box[1][0] - box[0][0], 1e-6) * GAP
    return tuple(
        (*IDENTITY[:12], width * (index - (instances - 1) / 2), 0.0, 0.0, 1.0)
        for index in range(instances)
    )


def _around(box: Box, transforms: tuple[tuple[float, ...], ...]) -> Box:
    """The box around all instances."""
    points = corners(np.array(box[0]), np.array(box[1]))
    moved = []
    for matrix in transforms:
        columns = np.array(matrix).reshape(4, 4)
        moved.append(points @ columns[:3, :3] + columns[3, :3])
    everything = np.concatenate(moved)
    if not np.isfinite(everything).all():
        raise InputError(f"bounds {box}: beyond what numbers can hold once they are placed")
    return _vector(everything.min(axis=0)), _vector(everything.max(axis=0))


def _vector(point: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Vector:
    x, y, z = (float(v) for v in point)
    return x, y, z
