"""The program's JSON: what is written is read, and each rule finds what breaks it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyengine.errors import BundleError
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.program import Program, program_part
from tests.pyengine.mistakes import Change, at, without
from tests.small_programs import CASES, perceptron

GPU = Adapter(DEFAULT_LIMITS, 32)
WHERE = "p/program.json"


@pytest.mark.parametrize("name", CASES)
def test_what_is_written_is_read(name: str) -> None:
    """All of it, and the JSON is that of the dictionary."""
    program = CASES[name]().program
    assert Program.parse(program.to_json()) == program
    assert json.loads(program.to_json()) == json.loads(json.dumps(program.to_dict()))


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
