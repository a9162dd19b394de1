"""What is wrong with a generator's contract is told: each fault, all at once, and nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyengine.contract import ContractError, Port, read_contract
from tests.pyengine.contracts import LIFT, PLAIN, ROLES, N, read, swapped


def problems(
    inputs: tuple[Port, ...] = (),
    outputs: tuple[Port, ...] = PLAIN,
    change: Mapping[str, object | None] | None = None,
    roles: Mapping[str, str] = ROLES,
) -> tuple[str, ...]:
    """What is wrong with a small model."""
    with pytest.raises(ContractError) as error:
        read(inputs, outputs, change, roles)
    return error.value.problems


FAULTS: dict[str, tuple[tuple[Port, ...], tuple[Port, ...], dict[str, object | None], str]] = {
    "unknown output role": (
        (),
        PLAIN,
        {"vitrine.output.rgb": "gaussian.colour"},
        "did you mean 'gaussian.color'?",
    ),
    "unknown input role": (
        (Port("t", (), "float32"),),
        PLAIN,
        {"vitrine.input.t": "tine"},
        "did you mean 'time'?",
    ),
    "one role twice": (
        (),
        (*PLAIN, Port("more", (N, 3), "float32")),
        {"vitrine.output.more": "gaussian.position"},
        "outputs 'xyz' and 'more' both have the role gaussian.position",
    ),
    "no position": (
        (),
        PLAIN,
        {"vitrine.output.xyz": None},
        "no output has the role gaussian.position",
    ),
    "no opacity": ((), PLAIN, {"vitrine.output.alpha": None}, "the role gaussian.opacity"),
    "no rotation": (
        (),
        PLAIN,
        {"vitrine.output.turn": None, "vitrine.activation.turn": None},
        "no output has the role gaussian.rotation; gaussian.scale needs it",
    ),
    "no shape": (
        (),
        PLAIN,
        {
            "vitrine.output.turn": None,
            "vitrine.activation.turn": None,
            "vitrine.output.size": None,
            "vitrine.activation.size": None,
        },
        "no output has the role gaussian.covariance, nor gaussian.scale with gaussian.rotation",
    ),
    "no colour": (
        (),
        PLAIN,
        {"vitrine.output.rgb": None},
        "no output has the role gaussian.color or gaussian.sh",
    ),
    "two colours": (
        (),
        (*PLAIN, Port("sh", (N, 48), "float32")),
        {"vitrine.output.sh": "gaussian.sh"},
        "say the same thing; leave one out",
    ),
    "packed and position": (
        (),
        (*PLAIN, Port("all", (N, 10), "float32")),
        {"vitrine.output.all": "gaussian.packed"},
        "outputs 'all' (gaussian.packed) and 'xyz' (gaussian.position)",
    ),
    "wrong width": (
        (),
        swapped("turn", (N, 3)),
        {},
        "output 'turn' (gaussian.rotation): wanted (N, 4), got (32, 3)",
    ),
    "other rows": (
        (),
        swapped("alpha", (31, 1)),
        {},
        "output 'alpha' (gaussian.opacity): wanted (N,) or (N, 1) with N = 32 as the others, "
        "got (31, 1)",
    ),
    "open size": (
        (),
        swapped("xyz", ("rows", 3)),
        {},
        "output 'xyz' (gaussian.position): its size rows is open",
    ),
    "open input": (
        (Port("z", ("batch", 8), "float32"),),
        PLAIN,
        {"vitrine.input.z": "latent"},
        "input 'z': its size batch is open",
    ),
    "double": ((), swapped("rgb", (N, 3), "float64"), {}, "got float64"),
    "bytes without a scale": (
        (),
        swapped("rgb", (N, 3), "int8"),
        {},
        "is int8 without a scale; add vitrine.quantization.rgb",
    ),
    "floats with a scale": (
        (),
        PLAIN,
        {"vitrine.quantization.rgb": {"scale": 1}},
        "'rgb' is float32, gaussian.color",
    ),
    "a scale of zero": (
        (),
        swapped("rgb", (N, 3), "int8"),
        {"vitrine.quantization.rgb": {"scale": 0}},
        "a scale above 0",
    ),
    "a zero point beyond the type": (
        (),
        swapped("rgb", (N, 3), "int8"),
        {"vitrine.quantization.rgb": {"scale": 1, "zero_point": 200}},
        "a zero point of its type",
    ),
    "a count of floats": (
        (),
        (*PLAIN, Port("n", (1,), "float32")),
        {"vitrine.output.n": "gaussian.count"},
        "output 'n' (gaussian.count): wanted one integer, got float32 (1,)",
    ),
    "two counts": (
        (),
        (*PLAIN, Port("n", (2,), "int64")),
        {"vitrine.output.n": "gaussian.count"},
        "wanted one integer, got int64 (2,)",
    ),
    "activation of another role": (
        (),
        PLAIN,
        {"vitrine.activation.xyz": "exp"},
        "wanted none for gaussian.position",
    ),
    "unknown activation": (
        (),
        PLAIN,
        {"vitrine.activation.size": "softplus"},
        "wanted none, exp, sigmoid, normalize",
    ),
    "a state of no output": (
        (Port("v", (3,), "float32"),),
        PLAIN,
        {"vitrine.input.v": "state:velocity"},
        "an output with the role state; there is none",
    ),
    "a state of Gaussians": (
        (Port("v", (N, 3), "float32"),),
        PLAIN,
        {"vitrine.input.v": "state:xyz"},
        "'xyz' is gaussian.position: give the model one more output",
    ),
    "a state of another shape": (
        (Port("v", (3,), "float32"),),
        (*PLAIN, Port("w", (4,), "float32")),
        {"vitrine.input.v": "state:w", "vitrine.output.w": "state"},
        "wanted float32 (4,) as the output, got float32 (3,)",
    ),
    "a state twice": (
        (Port("v", (3,), "float32"), Port("u", (3,), "float32")),
        (*PLAIN, Port("w", (3,), "float32")),
        {
            "vitrine.input.v": "state:w",
            "vitrine.input.u": "state:w",
            "vitrine.output.w": "state",
        },
        "inputs 'v' and 'u' both are the state 'w'",
    ),
    "a state that nobody takes": (
        (),
        (*PLAIN, Port("w", (3,), "float32")),
        {"vitrine.output.w": "state"},
        "output 'w' (state): no input takes it back; add vitrine.input.NAME = state:w",
    ),
    "a control of two": (
        (Port("lift", (2,), "float32"),),
        PLAIN,
        {"vitrine.control.lift": LIFT},
        "input 'lift' (control): wanted one element, got (2,)",
    ),
    "a control without a range": (
        (Port("lift", (), "float32"),),
        PLAIN,
        {"vitrine.input.lift": "control"},
        "input 'lift' (control): has no range; add vitrine.control.lift = ",
    ),
    "a control upside down": (
        (Port("lift", (), "float32"),),
        PLAIN,
        {"vitrine.control.lift": {"min": 1, "max": 0}},
        "min < max, default between",
    ),
    "a default beyond the range": (
        (Port("lift", (), "float32"),),
        PLAIN,
        {"vitrine.control.lift": {"min": 0, "max": 1, "default": 2}},
        "min < max, default between",
    ),
    "a default of the wrong length": (
        (Port("z", (1, 4), "float32"),),
        PLAIN,
        {"vitrine.input.z": "latent", "vitrine.default.z": [1, 2, 3]},
        "wanted a list of 4 numbers, as (1, 4) has",
    ),
    "a default of time": (
        (Port("t", (), "float32"),),
        PLAIN,
        {"vitrine.input.t": "time", "vitrine.default.t": [1]},
        "wanted none: time is always filled",
    ),
    "an input that nothing fills": (
        (Port("z", (1, 8), "float32"),),
        PLAIN,
        {},
        "input 'z' float32 (1, 8): nothing fills it; add vitrine.input.z = latent",
    ),
    "an input of another shape": (
        (Port("eye", (4,), "float32"),),
        PLAIN,
        {"vitrine.input.eye": "camera.position"},
        "input 'eye' (camera.position): wanted (3,), got (4,)",
    ),
    "an input of another type": (
        (Port("eye", (3,), "int32"),),
        PLAIN,
        {"vitrine.input.eye": "camera.position"},
        "wanted float32 or float16, got int32",
    ),
    "an image of four channels": (
        (Port("i", (1, 4, 8, 8), "float32"),),
        PLAIN,
        {"vitrine.input.i": "image"},
        "input 'i' (image): wanted (1, 3, H, W)",
    ),
    "an image with two means": (
        (Port("i", (1, 3, 8, 8), "float32"),),
        PLAIN,
        {"vitrine.image.i": {"mean": [0, 0]}},
        "a number of mean and std for each channel",
    ),
    "broken JSON": ((), PLAIN, {"vitrine.clip": "{"}, "it is no JSON"),
    "deep JSON": ((), PLAIN, {"vitrine.bounds": "[" * 100_000}, "it is no JSON"),
    "a number that is none": ((), PLAIN, {"vitrine.rate": "NaN"}, "wanted a number from 0.001"),
    "an endless number": (
        (),
        PLAIN,
        {"vitrine.bounds": "[[0, 0, 0], [1, 1, 1e999]]"},
        "the smallest and the largest coordinates",
    ),
    "a clip of no time": ((), PLAIN, {"vitrine.clip": {"duration": 0}}, "0.001 to 86400 seconds"),
    "bounds upside down": (
        (),
        PLAIN,
        {"vitrine.bounds": [[1, 0, 0], [0, 1, 1]]},
        "the smallest and the largest coordinates",
    ),
    "a pose at its target": (
        (),
        PLAIN,
        {"vitrine.pose": {"eye": [0, 0, 0], "target": [0, 0, 0]}},
        "two points, 1 to 170 degrees",
    ),
    "a background beyond white": ((), PLAIN, {"vitrine.background": [2, 0, 0]}, "from 0 to 1"),
    "a phase without a clip": (
        (Port("p", (), "float32"),),
        PLAIN,
        {"vitrine.input.p": "phase"},
        "there is no clip to be in; add vitrine.clip",
    ),
    "an unknown key": ((), PLAIN, {"vitrine.bound": "1"}, "did you mean 'vitrine.bounds'?"),
    "an unknown kind of key": (
        (),
        PLAIN,
        {"vitrine.outputs.rgb": "gaussian.color"},
        "did you mean 'vitrine.output.rgb'?",
    ),
    "a key of no tensor": (
        (),
        PLAIN,
        {"vitrine.output.rgbb": "gaussian.color"},
        "the model has no output 'rgbb'; did you mean 'rgb'?",
    ),
    "another version": ((), PLAIN, {"vitrine.contract": "2"}, "wanted 1, the version"),
    "no version": ((), PLAIN, {"vitrine.contract": None}, "add vitrine.contract = 1"),
    "a filter": (
        (),
        PLAIN,
        {"vitrine.kind": "filter"},
        "give it beside a scene, as in vitrine build",
    ),
    "no Gaussians": (
        (),
        (Port("y", (1, 8), "float32"),),
        dict.fromkeys(ROLES),
        "no output makes Gaussians; its outputs are 'y'",
    ),
    "too many": (
        (),
        tuple(Port(p.name, (1 << 29, p.shape[1]), "float32") for p in PLAIN),
        {},
        "wanted 1 to 268435456 Gaussians",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    """Each is found, and told in a line that a terminal can hold."""
    inputs, outputs, change, wanted = FAULTS[name]
    found = problems(inputs, outputs, change)
    assert any(wanted in problem for problem in found), found
    assert all(len(problem) < 500 for problem in found)


def test_all_problems_are_told_at_once() -> None:
    """One error, a line each."""
    change = {"vitrine.output.xyz": "position", "vitrine.rate": "fast", "vitrine.clop": "1"}
    with pytest.raises(ContractError) as error:
        read((Port("z", (8,), "float32"),), PLAIN, change)
    assert len(error.value.problems) == 5
    lines = str(error.value).splitlines()
    assert lines[0] == "m.onnx: 5 problems."
    assert len(lines) == 6


VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["1", "-1", "[]", "{}", "null", "true", '{"min":[]}', "[[1]]", "1e400"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=6)
            | st.dictionaries(
                st.sampled_from(["min", "max", "scale", "eye", "target", "duration", "range"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(json.dumps),
)
KEYS = st.sampled_from(
    [
        *("clip", "rate", "bounds", "pose", "background", "antialiased", "kind", "contract", ""),
        *("input.z", "input.i", "control.z", "default.z", "image.i", "output.rgb"),
        *("activation.rgb", "quantization.rgb", "input.", "."),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS.map("vitrine.".__add__), VALUES, max_size=4), st.booleans())
def test_nothing_but_a_contract_error_comes_out(entries: dict[str, str], quantised: bool) -> None:
    """Whatever the metadata hold."""
    ports = Port("z", (1,), "float32"), Port("i", (1, 3, 4, 4), "float32")
    outputs = swapped("rgb", (N, 3), "int8" if quantised else "float32")
    with contextlib.suppress(ContractError):
        read_contract({**ROLES, **entries}, ports, outputs, "m.onnx")
