"""scene.json's generator: read back as written, and nothing in it is trusted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pyengine.bundle import Scene
from pyengine.contract import Clip, Control, ImageFormat
from pyengine.errors import BundleError
from pyengine.feeds import FeedSpec, Track
from pyengine.generator_spec import (
    HEADER_BYTES,
    INSTANCE_BYTES,
    MAX_INSTANCES,
    GeneratorSpec,
    inverse_of,
)
from tests.pyengine.generators import generator, placed

FULL = GeneratorSpec(
    program="generator",
    instances=2,
    capacity=300,
    counted=True,
    transforms=placed((0, 0, 0), (1, 2, 3)),
    feeds=(
        FeedSpec("view", "camera.view", (2, 4, 4), "float32", batched=True, transposed=True),
        FeedSpec("lift", "control", (1,), "float16", control=Control("Lift", -1.0, 2.0, 0.5)),
        FeedSpec(
            "photo",
            "image",
            (4, 6),
            "uint32",
            image=ImageFormat("nchw", 4, 6, "rgb", (2.0,) * 3, (-1.0,) * 3),
        ),
        FeedSpec(
            "pose",
            "joints",
            (2, 5, 3),
            "float32",
            batched=True,
            default=(0.5,) * 15,
            track=Track("track-0123.bin", 30, 24.0, True),
            offsets_s=(0.0, 0.5),
        ),
        FeedSpec("memory", "state", (7,), "float32", state="next"),
    ),
    clip=Clip(1.25, False),
    rate_hz=50.0,
)


def test_it_is_read_as_it_was_written() -> None:
    """Through JSON."""
    assert GeneratorSpec.parse(json.loads(json.dumps(FULL.to_dict()))) == FULL
    made = generator(300, 2, counted=True).scene
    assert Scene.from_json(made.to_json()) == made
    assert made.chunk_count == 4, "each instance begins a chunk"
    assert made.expected_sizes() == {}


def test_a_static_scene_has_no_generator() -> None:
    """Its scene.json is what it was."""
    from tests.pyengine.plans import scene_of

    assert "generator" not in json.loads(scene_of(300).to_json())


def test_where_inputs_lie() -> None:
    """Behind the header and the matrices, each where a binding may begin; a state nowhere."""
    ranges = FULL.layout()
    assert list(ranges) == ["view", "lift", "photo", "pose"]
    assert FULL.transforms_range.offset_bytes == HEADER_BYTES
    assert FULL.transforms_range.size_bytes == 2 * INSTANCE_BYTES
    end = HEADER_BYTES + 2 * INSTANCE_BYTES
    for part in ranges.values():
        assert part.offset_bytes % 256 == 0
        assert part.offset_bytes >= end
        end = part.offset_bytes + part.size_bytes
    assert end <= FULL.input_bytes < end + 256
    assert FULL.input_bytes % 256 == 0
    assert FULL.stateful


def test_inverse() -> None:
    """Of an affine map."""
    rng = np.random.default_rng(0)
    matrix = np.eye(4)
    matrix[:3] = rng.normal(size=(3, 4))
    inverse = np.reshape(inverse_of(tuple(matrix.T.ravel().tolist())), (4, 4)).T
    np.testing.assert_allclose(inverse @ matrix, np.eye(4), atol=1e-12)


def feed(at: int, **changes: object) -> Callable[[dict[str, Any]], None]:
    """A change of an input."""
    return lambda data: data["feeds"][at].update(changes)


def top(**changes: object) -> Callable[[dict[str, Any]], None]:
    """A change of the object itself."""
    return lambda data: data.update(changes)


FLAT = [1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1]
DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a key too many": (top(more=1), "unknown key 'more'"),
    "no program": (lambda data: data.pop("program"), "'program' is missing"),
    "a folder that leaves": (top(program="../x"), "'program' must be like"),
    "no instances": (top(instances=0), r"'instances' must be an integer 1\.\.1024"),
    "too many instances": (top(instances=MAX_INSTANCES + 1), "'instances' must be"),
    "a huge capacity": (top(capacity=1 << 28), "'capacity' must be an integer"),
    "counted by a number": (top(counted=1), "'counted' must be true or false"),
    "a matrix too few": (top(transforms=[FLAT]), "wanted 2 'transforms', got 1"),
    "a flat matrix": (top(transforms=[FLAT, FLAT]), r"transforms\[0\]: flattens space"),
    "a matrix of rows": (
        top(transforms=[[*range(16)], FLAT]),
        r"transforms\[0\]: wanted 16 numbers, column-major, the last row 0 0 0 1",
    ),
    "a matrix of nan": (top(transforms=[[math.nan] * 16] * 2), "finite numbers"),
    "an unknown role": (feed(0, role="camera"), r"feeds\[0\]: 'role' must be one of camera\.view,"),
    "another shape than the role's": (feed(0, shape=[2, 3, 3]), r"camera\.view has 16 elements"),
    "another batch": (feed(0, shape=[3, 4, 4]), "batched, so its first axis is 2"),
    "a negative axis": (feed(4, shape=[-1]), "'shape' must be integers 0"),
    "a huge shape": (feed(4, shape=[1 << 20, 1 << 20]), "more than 67108864 elements"),
    "a huge picture": (feed(2, shape=[1 << 13, 1 << 13]), "inputs of 256 MiB; at most 256"),
    "a state of nowhere": (feed(4, state=None), "'state' names the output"),
    "a state of something else": (feed(1, state="next"), "'state' names the output"),
    "no control": (feed(1, control=None), "'control' is there for the role control"),
    "a control upside down": (
        feed(1, control={"label": "a", "min": 2, "max": 1, "default": 1}),
        "'max' must be at least 2",
    ),
    "a control beyond its ends": (
        feed(1, control={"label": "a", "min": 0, "max": 1, "default": 3}),
        r"'default' must be a number 0\.\.1",
    ),
    "a default too short": (feed(3, default=[1]), "'default' must be 15 numbers, got 1"),
    "a default of text": (feed(3, default=["a"] * 15), "'default' must be finite numbers"),
    "offsets too many": (feed(3, offsets_s=[0, 1, 2]), "'offsets_s' must be a list of at most 2"),
    "offsets too few": (feed(3, offsets_s=[0]), "'offsets_s' must be 2 numbers, got 1"),
    "a track that leaves": (
        feed(3, track={"file": "a/b", "frames": 1, "fps": 1, "loop": True}),
        "'file' must be like",
    ),
    "a track of no frames": (
        feed(3, track={"file": "a", "frames": 0, "fps": 1, "loop": True}),
        "'frames' must be an integer 1",
    ),
    "a clip of no time": (top(clip={"duration": 0, "loop": True}), "'duration' must be a number"),
    "a rate of nan": (top(rate=math.nan), "'rate' must be a number"),
    "a name twice": (feed(1, name="view"), "the input 'view' is there twice"),
    "no object": (lambda data: data.update(feeds=[1]), r"feeds\[0\]: wanted an object, got 1"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage(name: str) -> None:
    """Each fault is named, with its place."""
    change, message = DAMAGE[name]
    data = json.loads(json.dumps(FULL.to_dict()))
    change(data)
    with pytest.raises(BundleError, match=message) as caught:
        GeneratorSpec.parse(data, "scene.json: generator")
    assert str(caught.value).startswith("scene.json: generator")


def test_the_count_of_the_scene_is_the_generators() -> None:
    """Or something was built half."""
    scene = generator(300, 2).scene
    text = replace(scene, count=300).to_json()
    with pytest.raises(BundleError, match=r"'count' must be 2 x 300, the generator's, got 300"):
        Scene.from_json(text)
