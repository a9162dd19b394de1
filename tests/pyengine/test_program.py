"""The program's JSON: what is written is read, and each rule finds what breaks it; and its part."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.runner import shader_texts
from pyengine.errors import BundleError, DeviceError, PlanError
from pyengine.hosts.null import NullHost
from pyengine.plan import (
    DEFAULT_LIMITS,
    Adapter,
    Buffer,
    ComputePass,
    ComputePipeline,
    Indirect,
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
    defaults,
    eligible,
    program_part,
    required_limits,
)
from tests.small_programs import CASES, Case, add, counted, perceptron, tensor

GPU = Adapter(DEFAULT_LIMITS, 32)
SOFTWARE = Adapter(DEFAULT_LIMITS, 0, software=True)


@pytest.mark.parametrize("name", CASES)
def test_what_is_written_is_read(name: str) -> None:
    """All of it, and the JSON is that of the dictionary."""
    program = CASES[name]().program
    assert Program.parse(program.to_json()) == program
    assert json.loads(program.to_json()) == json.loads(json.dumps(program.to_dict()))


@pytest.mark.parametrize("adapter", [GPU, SOFTWARE], ids=["gpu", "software"])
@pytest.mark.parametrize("name", CASES)
def test_a_program_is_a_plan_that_keeps_the_rules(name: str, adapter: Adapter) -> None:
    """One compute pass; alone and twice in one plan."""
    case = CASES[name]()
    texts = shader_texts(case.program, case.files)
    parts = [program_part(case.program, texts, adapter, prefix) for prefix in ("a.", "b.")]
    plan = Plan.of({"run": tuple(parts)})
    NullHost().build(plan)
    assert all(len(part.steps) == 1 for part in parts)
    assert plan.count_dispatches("run") == 2 * len(case.program.dispatches)
    assert required_limits(plan, adapter).keys() == {"maxBufferSize", "maxStorageBufferBindingSize"}


Change = Callable[[dict[str, Any]], object]


def at(*path: Any) -> Callable[[Any], Change]:
    """Put a value at a place in the JSON of the perceptron."""

    def put(value: Any) -> Change:
        def change(data: dict[str, Any]) -> None:
            place: Any = data
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value

        return change

    return put


def without(*path: Any) -> Change:
    """Remove what stands at a place."""

    def change(data: dict[str, Any]) -> None:
        place: Any = data
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return change


WHERE = "p/program.json"
BROKEN: dict[str, tuple[Change, str]] = {
    "another version": (at("vitrine_program")(2), "wanted a Vitrine program of version 1, got 2"),
    "version True": (at("vitrine_program")(True), "wanted a Vitrine program of version 1, got T"),
    "no version": (without("vitrine_program"), "of version 1, got None; compile the model again"),
    "an unknown key": (at("more")(1), ": unknown key 'more'; built by another version"),
    "a missing key": (without("dispatches"), ": 'dispatches' is missing"),
    "a name that is none": (at("name")(""), ": 'name' must be a string of 1 to 1000 characters"),
    "inputs no list": (at("inputs")({}), ": 'inputs' must be a list of at most 4096, got {}"),
    "an input that is none": (at("inputs")([3]), ": inputs[0]: wanted an object, got 3"),
    "an unknown key of an input": (
        at("inputs", 0, "axis")(1),
        ": inputs[0]: unknown key 'axis'",
    ),
    "a negative dimension": (
        at("inputs", 0, "shape")([-1, 2]),
        ": inputs[0]: 'shape' must be integers 0..17179869184, got [-1, 2]",
    ),
    "a dimension True": (at("inputs", 0, "shape")([True]), "'shape' must be integers"),
    "a dimension 2.0": (at("inputs", 0, "shape")([2.0]), "'shape' must be integers"),
    "too many dimensions": (
        at("inputs", 0, "shape")([1] * 65),
        "'shape' must be a list of at most 64, got 65 of them",
    ),
    "a type of no program": (at("inputs", 0, "dtype")("string"), "'dtype' must be one of float32"),
    "another element": (
        at("inputs", 0, "storage")("i32"),
        "'storage' must be one of f32, got 'i32'",
    ),
    "a tensor larger than its buffer": (
        at("outputs", 0, "shape")([5, 5]),
        ": tensor 'y': buffer 't.y' has 80 bytes, 100 are wanted",
    ),
    "a tensor without a buffer": (
        at("outputs", 0, "buffer")("none"),
        ": tensor 'y': there is no buffer 'none'",
    ),
    "two outputs of one name": (
        lambda data: data["outputs"].append(data["outputs"][0]),
        ": outputs: the name 'y' is used twice",
    ),
    "a count that is no name": (at("counts")({"n": 3}), ": count 'n' must be a buffer, got 3"),
    "a count without a buffer": (at("counts")({"n": "c"}), ": count 'n': there is no buffer 'c'"),
    "a count of no symbol": (at("counts")({"": "t.x"}), "an object with keys of 1 to 1000"),
    "counts no object": (at("counts")([]), ": 'counts' must be an object of at most 4096 keys"),
    "a file outside": (
        at("buffers", 3, "file")("../weights.bin"),
        "buffers[3]: 'file' must be like",
    ),
    "a file in a folder": (at("buffers", 3, "file")("a/b.bin"), "buffers[3]: 'file' must be like"),
    "a hidden file": (at("buffers", 3, "file")(".bin"), "buffers[3]: 'file' must be like"),
    "a file that is none": (at("buffers", 3, "file")(7), "buffers[3]: 'file' must be a string"),
    "an empty buffer": (
        at("buffers", 0, "size_bytes")(0),
        "'size_bytes' must be an integer 4..17179869184, got 0",
    ),
    "an odd buffer": (at("buffers", 0, "size_bytes")(142), "must be a multiple of 4, got 142"),
    "an enormous buffer": (at("buffers", 0, "size_bytes")(10**30), "must be an integer 4.."),
    "a size of text": (at("buffers", 0, "size_bytes")("140"), "must be an integer 4.."),
    "a buffer of an odd name": (
        at("buffers", 0, "name")("a\nb"),
        "buffers[0]: 'name' must be like",
    ),
    "a shader outside": (
        at("shaders", "relu")("kernels/../../x.wgsl"),
        ": shader 'relu' must be a file like kernels/name.wgsl, got 'kernels/../../x.wgsl'",
    ),
    "a shader elsewhere": (at("shaders", "relu")("/etc/x.wgsl"), "must be a file like kernels/"),
    "a shader that is none": (at("shaders", "relu")(None), "must be a file like kernels/"),
    "a pipeline without a shader": (
        at("pipelines", 0, "shader")("none"),
        ": pipeline 'matmul_1': there is no shader 'none'",
    ),
    "an unknown access": (
        at("pipelines", 0, "layout")(["read", "read", "write"]),
        ": pipelines[0]: 'layout' must be a list of read, read_write, texture",
    ),
    "nine buffers": (
        at("pipelines", 0, "layout")(["texture", *["read"] * 9]),
        ": pipelines[0]: 'layout' must be at most 8 buffers, and textures",
    ),
    "too many bindings": (
        at("pipelines", 0, "layout")(["texture"] * 25),
        "'layout' must be a list of at most 24, got 25",
    ),
    "a constant that is none": (
        at("pipelines", 0, "constants")({"ROWS": None}),
        "'constants' must be an object of finite numbers",
    ),
    "an infinite constant": (at("pipelines", 0, "constants")({"A": float("inf")}), "finite"),
    "an enormous constant": (at("pipelines", 0, "constants")({"A": 10**400}), "finite"),
    "a constant of an odd name": (at("pipelines", 0, "constants")({"A;": 1}), "finite"),
    "an entry point of an odd name": (at("pipelines", 0, "entry")("main("), "'entry' must be like"),
    "no candidates": (
        at("dispatches", 1, "candidates")([]),
        ": dispatches[1]: 'candidates' must be a list of at least one",
    ),
    "a candidate without a pipeline": (
        at("dispatches", 1, "candidates", 0, "pipeline")("none"),
        ": dispatches[1] (Relu): there is no pipeline 'none'",
    ),
    "too few bindings": (
        lambda data: data["dispatches"][1]["bindings"].pop(),
        ": dispatches[1] (Relu): pipeline 'relu' takes 2 bindings, got 1",
    ),
    "an unknown preference": (
        at("dispatches", 1, "candidates", 0, "prefer")("cpu"),
        "'prefer' must be one of any, gpu, software, got 'cpu'",
    ),
    "too many workgroups": (
        at("dispatches", 1, "candidates", 0, "workgroups")([65536, 1, 1]),
        "'workgroups' must be integers 0..65535",
    ),
    "two workgroups": (
        at("dispatches", 1, "candidates", 0, "workgroups")([1, 1]),
        "'workgroups' must be three integers",
    ),
    "workgroups of text": (
        at("dispatches", 1, "candidates", 0, "workgroups")("111"),
        "'workgroups' must be a list of at most 3",
    ),
    "arguments off the grid": (
        at("dispatches", 1, "candidates", 0, "workgroups")({"buffer": "t.x", "offset_bytes": 2}),
        ": workgroups: 'offset_bytes' must be a multiple of 4, got 2",
    ),
    "arguments beyond the end": (
        at("dispatches", 1, "candidates", 0, "workgroups")({"buffer": "t.x", "offset_bytes": 132}),
        "(Relu): buffer 't.x' has 140 bytes, 144 are wanted",
    ),
    "writing one's own arguments": (
        at("dispatches", 1, "candidates", 0, "workgroups")({"buffer": "arena", "offset_bytes": 0}),
        "(Relu): writes its own workgroups, 'arena'",
    ),
    "a range off the grid": (
        at("dispatches", 1, "bindings", 1, "offset_bytes")(128),
        ": dispatches[1]: bindings[1]: 'offset_bytes' must be a multiple of 256, got 128",
    ),
    "a range of an odd size": (
        at("dispatches", 1, "bindings", 1, "size_bytes")(7),
        "'size_bytes' must be a multiple of 4, got 7",
    ),
    "a range beyond the end": (
        at("dispatches", 1, "bindings", 1, "size_bytes")(1024),
        "(Relu): buffer 'arena' has 512 bytes, 1280 are wanted",
    ),
    "a range of no buffer": (
        at("dispatches", 1, "bindings", 1, "buffer")("none"),
        "(Relu): there is no buffer 'none'",
    ),
    "overlapping writes": (
        at("dispatches", 1, "bindings", 1, "offset_bytes")(0),
        "(Relu): buffer 'arena' is bound read_write and read_write; WebGPU wants both",
    ),
    "reading beside a write": (
        at("pipelines", 2, "layout")(["read", "read_write"]),
        "(Relu): buffer 'arena' is bound read and read_write; WebGPU wants both",
    ),
    "subgroups of no shader": (at("subgroups")(["none"]), ": 'subgroups': there is no shader"),
    "subgroups no strings": (at("subgroups")([1]), "'subgroups' must be strings"),
    "an unknown feature": (at("features")(["shader-f64"]), ": feature 'shader-f64' is not one of"),
    "metadata that is no text": (
        at("metadata")({"a": 1}),
        ": metadata 'a' must be a string, got 1",
    ),
    "a report that is none": (at("report")(None), ": 'report' must be an object"),
}
"""What is broken in the perceptron, and a part of the message."""


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_program_is_refused(change: Change, message: str) -> None:
    """With the file, the place, and what was wanted."""
    data = json.loads(perceptron().program.to_json())
    change(data)
    with pytest.raises(BundleError, match=re.escape(message)) as caught:
        Program.parse(json.dumps(data), WHERE)
    assert str(caught.value).startswith(f"{WHERE}: ")
    assert len(str(caught.value)) < 400


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


@pytest.mark.parametrize("text", ["", "[", "[]", "3", "null", "[" * 100_000, b"\xff", '{"a": 1}'])
def test_what_is_no_program_is_refused(text: str | bytes) -> None:
    """Before anything of it is used."""
    with pytest.raises(BundleError, match=rf"^{WHERE}: (not JSON|wanted a Vitrine program)"):
        Program.parse(text, WHERE)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_junk_anywhere_is_refused_or_harmless(data: st.DataObject) -> None:
    """No other exception than ours, whatever stands wherever; and what passes makes a plan."""
    case = perceptron()
    tree = json.loads(case.program.to_json())
    place = tree
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JUNK)
    try:
        program = Program.parse(json.dumps(tree))
    except BundleError:
        return
    texts = dict.fromkeys(program.shaders, "")
    program_part(program, texts, GPU)


def names_of(part: Part) -> list[str]:
    """Pipelines that the dispatches of a program's part use, in order."""
    step = part.steps[0]
    assert isinstance(step, ComputePass)
    return [dispatch.pipeline for dispatch in step.dispatches]


def test_the_adapter_chooses_when_nothing_was_tuned() -> None:
    """By preference, else the first; what tuning chose goes first."""
    case = add()
    texts = shader_texts(case.program, case.files)
    assert names_of(program_part(case.program, texts, GPU)) == ["k64"]
    assert names_of(program_part(case.program, texts, SOFTWARE)) == ["k32"]
    assert names_of(program_part(case.program, texts, SOFTWARE, chosen={0: 0})) == ["k64"]
    assert names_of(program_part(case.program, texts, SOFTWARE, chosen={0: 9})) == ["k32"]
    only = replace(
        case.program,
        dispatches=(
            replace(case.program.dispatches[0], candidates=(Candidate("k64", (1, 1, 1), "gpu"),)),
        ),
    )
    assert names_of(program_part(only, texts, SOFTWARE)) == ["k64"]
    assert defaults(case.program, texts, SOFTWARE) == (1,)
    assert eligible(case.program, 0, texts, SOFTWARE) == (1, 0)


@pytest.mark.parametrize("directive", ["enable f16;", "enable subgroups, f16;", "  enable\nf16;"])
def test_half_floats_are_chosen_where_the_adapter_has_them(directive: str) -> None:
    """The shader says that it needs them, as WGSL wants it to."""
    case = halves(directive)
    texts = shader_texts(case.program, case.files)
    able = replace(GPU, shader_f16=True)
    part = program_part(case.program, texts, able)
    assert names_of(part) == ["k_half"]
    assert Plan.of({"run": (part,)}).features == ("shader-f16",)
    part = program_part(case.program, texts, GPU, chosen={0: 0})
    assert names_of(part) == ["k64"]
    assert part.needs == ()
    assert list(part.shaders) == ["k"]


def halves(directive: str) -> Case:
    """The sum with a first candidate in a shader that begins with a directive."""
    case = add()
    program = case.program
    half = replace(program.pipelines[0], name="k_half", shader="half")
    first = replace(program.dispatches[0].candidates[0], pipeline="k_half")
    dispatch = program.dispatches[0]
    dispatch = replace(dispatch, candidates=(first, *dispatch.candidates))
    text = directive.encode() + case.files["kernels/k.wgsl"]
    return replace(
        case,
        program=replace(
            program,
            shaders={**program.shaders, "half": "kernels/half.wgsl"},
            pipelines=(half, *program.pipelines),
            dispatches=(dispatch,),
            features=("shader-f16",),
        ),
        files={**case.files, "kernels/half.wgsl": text},
    )


def test_subgroups_are_chosen_where_the_adapter_has_them() -> None:
    """And the part tells which of its shaders use them."""
    case = halves("")
    program = replace(case.program, subgroups=("half",), features=())
    texts = shader_texts(program, case.files)
    part = program_part(program, texts, GPU, "p.")
    assert part.subgroups == ("p.half",)
    assert names_of(program_part(program, texts, SOFTWARE)) == ["k32"]
    alone = replace(
        program,
        dispatches=(
            replace(program.dispatches[0], candidates=program.dispatches[0].candidates[:1]),
        ),
    )
    with pytest.raises(DeviceError, match=r"^program 'add': 'add of 15' has only kernels with sub"):
        program_part(alone, texts, SOFTWARE)


def test_equal_pipelines_are_made_once() -> None:
    """Whatever the compiler called them; shaders that nothing uses stay behind."""
    case = add()
    program = case.program
    twin = replace(program.pipelines[0], name="twin")
    dispatch = program.dispatches[0]
    second = replace(dispatch, candidates=(Candidate("twin", (1, 1, 1)),))
    program = replace(
        program,
        pipelines=(*program.pipelines, twin),
        shaders={**program.shaders, "unused": "kernels/unused.wgsl"},
        dispatches=(dispatch, second, dispatch),
    )
    part = program_part(program, {"k": "text", "unused": "text"}, GPU, "p/")
    assert [pipeline.name for pipeline in part.compute] == ["p/k64"]
    assert names_of(part) == ["p/k64"] * 3
    assert list(part.shaders) == ["p/k"]


def test_buffers_have_the_usages_that_they_need() -> None:
    """Inputs and files are uploaded, outputs read, arguments too, counts both ways."""
    case = counted()
    part = program_part(case.program, shader_texts(case.program, case.files), GPU, "c.")
    assert part.buffers == (
        Buffer("c.t.x", 800, ("storage", "upload")),
        Buffer("c.t.y", 800, ("storage", "readback")),
        Buffer("c.count.n", 4, ("storage", "upload", "readback")),
        Buffer("c.args", 16, ("storage", "indirect", "readback")),
    )
    step = part.steps[0]
    assert isinstance(step, ComputePass)
    assert step.dispatches[1].workgroups == Indirect("c.args", 0)
    assert step.dispatches[1].bindings[0] == Range("c.count.n", 0, 4)
    weights = program_part(
        (p := perceptron()).program, shader_texts(p.program, p.files), GPU, "p."
    ).buffers[-1]
    assert weights.source == next(iter(p.program.files))
    assert weights.usage == ("storage", "upload")


def test_limits_are_those_of_the_largest_range() -> None:
    """Not of the buffer, which is bound in parts."""
    mib = 1 << 20
    case = perceptron()
    texts = shader_texts(case.program, case.files)
    part = program_part(case.program, texts, GPU)
    step = part.steps[0]
    assert isinstance(step, ComputePass)
    plan = Plan.of({"run": (replace(part, buffers=(Buffer("arena", 300 * mib, ("storage",)),)),)})
    able = Adapter({"maxBufferSize": 400 * mib, "maxStorageBufferBindingSize": 128 * mib})
    assert required_limits(plan, able) == {
        "maxBufferSize": 300 * mib,
        "maxStorageBufferBindingSize": 128 * mib,
    }
    with pytest.raises(
        DeviceError,
        match=r"^the model needs a GPU buffer of 300 MiB \('arena'\); this adapter offers 256 MiB "
        r"\(maxBufferSize\)",
    ):
        required_limits(plan, GPU, "the model")
    large = replace(step.dispatches[1], bindings=(Range("arena", 0, 200 * mib),))
    plan = replace(plan, schedules={"run": (replace(step, dispatches=(large,)),)})
    with pytest.raises(DeviceError, match=r"200 MiB .* 128 MiB \(maxStorageBufferBindingSize\)"):
        required_limits(plan, able)


def test_aliases_lie_in_other_buffers() -> None:
    """Bindings and arguments move along; the part makes no buffer for what is elsewhere."""
    case = counted()
    aliases = {"t.x": Range("inputs", 512, 1024), "args": Range("other", 256, 16)}
    texts = shader_texts(case.program, case.files)
    part = program_part(case.program, texts, GPU, "c.", aliases=aliases)
    assert [buffer.name for buffer in part.buffers] == ["c.t.y", "c.count.n"]
    (step,) = part.steps
    assert isinstance(step, ComputePass)
    arguments, double = step.dispatches
    assert arguments.bindings == (Range("c.count.n", 0, 4), Range("other", 256, 16))
    assert double.bindings[1:] == (Range("inputs", 512, 800), Range("c.t.y", 0, 800))
    assert double.workgroups == Indirect("other", 256)
