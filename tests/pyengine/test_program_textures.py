"""Textures that a program reads: in its JSON, and in the plan that it becomes part of."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pyengine.errors import BundleError, PlanError
from pyengine.hosts.null import NullHost
from pyengine.plan import (
    DEFAULT_LIMITS,
    Adapter,
    ComputePass,
    ComputePipeline,
    Part,
    Plan,
    Range,
    Texture,
)
from pyengine.program import (
    Candidate,
    Program,
    ProgramBuffer,
    ProgramDispatch,
    program_part,
    required_limits,
)
from tests.pyengine.mistakes import Change, at, without
from tests.small_programs import perceptron, tensor

GPU = Adapter(DEFAULT_LIMITS, 32)
WHERE = "p/program.json"
COPY = """
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var x: texture_2d<f32>;
@compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3u) {
  y[3 * id.y + id.x] = textureLoad(x, id.xy, 0).r;
}
"""


def textured() -> Program:
    """One channel of a texture of three texels by two, copied to a buffer."""
    y = Range("t.y", 0, 24)
    return Program(
        name="textured",
        inputs=(),
        outputs=(tensor("y", (2, 3)),),
        buffers=(ProgramBuffer("t.y", 24),),
        shaders={"copy": "kernels/copy.wgsl"},
        pipelines=(ComputePipeline("copy", "copy", ("read_write", "texture")),),
        dispatches=(ProgramDispatch("copy", (y, "x"), (Candidate("copy", (3, 2, 1)),)),),
        textures={"x": (2, 3)},
    )


TEXTURES: dict[str, tuple[Change, str]] = {
    "textures no object": (at("textures")(["x"]), ": 'textures' must be an object of at most 16"),
    "too many": (at("textures")({f"x{k}": [2, 3] for k in range(17)}), "an object of at most 16"),
    "a name that is none": (at("textures")({"": [2, 3]}), "an object with keys of 1 to 1000"),
    "an odd name": (at("textures")({"x\n": [2, 3]}), ": textures: the name 'x\\n' must be like"),
    "no size": (at("textures", "x")(None), ": textures: 'x' must be a list of at most 2, got None"),
    "half a size": (at("textures", "x")([2]), ": textures: 'x' must be [height, width], got [2]"),
    "nothing high": (at("textures", "x")([0, 3]), ": textures: 'x' must be integers 1..8192"),
    "larger than WebGPU allows": (at("textures", "x")([2, 8193]), "must be integers 1..8192"),
    "a size of text": (at("textures", "x")(["2", 3]), ": textures: 'x' must be integers 1..8192"),
    "the name of a buffer": (
        at("textures")({"x": [2, 3], "t.y": [2, 3]}),
        ": texture 't.y' has the name of an input or a buffer",
    ),
    "the name of an input": (
        lambda data: data["inputs"].append({**data["outputs"][0], "name": "x"}),
        ": texture 'x' has the name of an input or a buffer",
    ),
    "an unknown texture": (
        at("dispatches", 0, "bindings", 1)({"texture": "z"}),
        ": dispatches[0] (copy): there is no texture 'z'",
    ),
    "none where one is bound": (without("textures"), "(copy): there is no texture 'x'"),
    "a binding that is none": (
        at("dispatches", 0, "bindings", 1)({"texture": 3}),
        ": dispatches[0]: bindings[1]: 'texture' must be a string of 1 to 1000 characters, got 3",
    ),
    "a texture that is a buffer, too": (
        at("dispatches", 0, "bindings", 1, "buffer")("t.y"),
        ": dispatches[0]: bindings[1]: unknown key 'buffer'",
    ),
    "a texture for a buffer": (
        at("pipelines", 0, "layout")(["read_write", "read"]),
        "(copy): pipeline 'copy' takes read at binding 1, got a texture",
    ),
    "a texture to write": (
        at("dispatches", 0, "bindings", 0)({"texture": "x"}),
        "(copy): pipeline 'copy' takes read_write at binding 0, got a texture",
    ),
    "a buffer for a texture": (
        at("dispatches", 0, "bindings", 1)({"buffer": "t.y", "offset_bytes": 0, "size_bytes": 24}),
        "(copy): pipeline 'copy' takes texture at binding 1, got a buffer",
    ),
}
"""What is broken in a program with a texture, and a part of the message."""


@pytest.mark.parametrize(("change", "message"), TEXTURES.values(), ids=TEXTURES)
def test_a_broken_texture_is_refused(change: Change, message: str) -> None:
    """With the file, the place, and what was wanted."""
    data = json.loads(textured().to_json())
    assert Program.parse(json.dumps(data), WHERE) == textured()
    change(data)
    with pytest.raises(BundleError, match=re.escape(message)) as caught:
        Program.parse(json.dumps(data), WHERE)
    assert str(caught.value).startswith(f"{WHERE}: ")


def test_a_program_of_before_there_were_textures_is_read() -> None:
    """It lacks the key."""
    data = json.loads(perceptron().program.to_json())
    del data["textures"]
    assert Program.parse(json.dumps(data)) == perceptron().program


@pytest.mark.parametrize(("names", "name"), [(None, "f.x"), ({"x": "image"}, "image")])
def test_a_texture_is_one_of_the_plan(names: dict[str, str] | None, name: str) -> None:
    """Found by its name or by the one that it is given; the part makes none."""
    program = textured()
    part = program_part(program, {"copy": COPY}, GPU, "f.", textures=names)
    (step,) = part.steps
    assert isinstance(step, ComputePass)
    assert step.dispatches[0].bindings == (Range("f.t.y", 0, 24), name)
    assert part.textures == ()
    drawn = Texture(name, "rgba16float", ("render", "sample"), (3, 2))
    plan = Plan.of({"run": (Part(steps=(), textures=(drawn,)), part)})
    NullHost().build(plan)
    assert required_limits(plan, GPU)["maxBufferSize"] == DEFAULT_LIMITS["maxBufferSize"]
    for textures in ((), (replace(drawn, usage=("render",)),)):
        with pytest.raises(PlanError, match=f"{name!r} is not a texture with usage sample"):
            NullHost().build(replace(plan, textures=textures))
