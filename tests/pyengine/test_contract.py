"""The contract's reader: what it understands, and that it tells everything that is wrong."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyengine.contract import (
    Clip,
    Contract,
    ContractError,
    Control,
    Port,
    is_generator,
    read_contract,
)
from pyengine.contract.roles import INPUTS, OUTPUTS
from pyengine.feeds import ROLES as ROLES_IN_BUNDLES

DOCS = Path(__file__).resolve().parents[2] / "docs" / "contract.md"
N = 32
POSITION = Port("xyz", (N, 3), "float32")
SCALE = Port("size", (N, 3), "float32")
ROTATION = Port("turn", (N, 4), "float32")
OPACITY = Port("alpha", (N, 1), "float32")
COLOR = Port("rgb", (N, 3), "float32")
PLAIN = (POSITION, SCALE, ROTATION, OPACITY, COLOR)
ROLES = {
    "vitrine.contract": "1",
    "vitrine.output.xyz": "gaussian.position",
    "vitrine.output.size": "gaussian.scale",
    "vitrine.activation.size": "exp",
    "vitrine.output.turn": "gaussian.rotation",
    "vitrine.activation.turn": "normalize",
    "vitrine.output.alpha": "gaussian.opacity",
    "vitrine.activation.alpha": "sigmoid",
    "vitrine.output.rgb": "gaussian.color",
}
LIFT = {"label": "Lift", "min": 0, "max": 2, "default": 0.5}
FOREIGN = (
    Port("gaussian_f16", (N, 10), "float16"),
    Port("color_rgb", (N, 4), "float16"),
    Port("num_points", (1,), "int32"),
)


def read(
    inputs: tuple[Port, ...] = (),
    outputs: tuple[Port, ...] = PLAIN,
    change: Mapping[str, object | None] | None = None,
    roles: Mapping[str, str] = ROLES,
) -> Contract:
    """The contract of a small model; ``change`` adds entries, or takes them away with None."""
    entries: dict[str, str] = dict(roles)
    for key, value in (change or {}).items():
        entries.pop(key, None)
        if value is not None:
            entries[key] = value if isinstance(value, str) else json.dumps(value)
    return read_contract(entries, inputs, outputs, "m.onnx")


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


def swapped(name: str, shape: tuple[int | str, ...], dtype: str = "float32") -> tuple[Port, ...]:
    """The plain outputs with one of another shape."""
    return tuple(Port(name, shape, dtype) if port.name == name else port for port in PLAIN)


def test_a_plain_generator() -> None:
    """Each output with its role and activation, and where it was said."""
    contract = read()
    assert contract.capacity == N
    assert contract.sh_degree == 0
    scale = contract.output("gaussian.scale")
    assert scale is not None
    assert (scale.name, scale.activation, scale.why) == ("size", "exp", "vitrine.output.size")
    assert contract.rate_hz is None


def test_everything_that_a_scene_says() -> None:
    """Clip, rate, bounds, pose, background, and the mip filter."""
    contract = read(
        change={
            "vitrine.clip": {"duration": 2, "loop": False},
            "vitrine.rate": "30",
            "vitrine.bounds": [[-1, -2, -3], [1, 2, 3]],
            "vitrine.pose": {"eye": [0, -1, -4], "target": [0, 0, 0], "fov": 40},
            "vitrine.background": [1, 0.5, 0],
            "vitrine.antialiased": "1",
            "author": "somebody",
        }
    )
    assert contract.clip == Clip(2.0, False)
    assert contract.rate_hz == 30
    assert contract.bounds == ((-1, -2, -3), (1, 2, 3))
    assert contract.pose == ((0, -1, -4), (0, 0, 0), 40)
    assert contract.background == (1, 0.5, 0)
    assert contract.antialiased


@pytest.mark.parametrize(
    ("role", "shape"),
    [
        ("camera.view", (1, 4, 4)),
        ("camera.projection", (4, 4)),
        ("camera.position", (1, 3)),
        ("viewport", (4,)),
        ("time", ()),
        ("frame", (1, 1)),
        ("joints", (24, 3)),
        ("joints", (1, 24, 4, 4)),
        ("weights", (1, 52)),
        ("audio.mel", (16, 80)),
        ("audio.mel", (1, 80)),
        ("pointer", (3,)),
        ("latent", (1, 4, 8, 8)),
        ("image", (1, 3, 8, 16)),
    ],
)
def test_input_roles(role: str, shape: tuple[int, ...]) -> None:
    """Leading axes of 1 are welcome everywhere."""
    (feed,) = read((Port("in", shape, "float32"),), change={"vitrine.input.in": role}).inputs
    assert (feed.role, feed.shape, feed.transposed) == (role, shape, False)


def test_a_control_is_a_slider_with_its_start() -> None:
    """The slider's start is the input's default; the role goes without saying."""
    port = Port("lift", (1,), "float32")
    (feed,) = read((port,), change={"vitrine.control.lift": LIFT}).inputs
    assert feed.role == "control"
    assert feed.control == Control("Lift", 0.0, 2.0, 0.5)
    assert feed.default == (0.5,)


def test_defaults_are_nested_or_flat_and_matrices_rest_at_the_identity() -> None:
    """Joints as matrices that nobody sets do not fold the avatar into a point."""
    ports = Port("pose", (2, 3), "float32"), Port("bones", (1, 2, 4, 4), "float32")
    change = {
        "vitrine.input.pose": "joints",
        "vitrine.input.bones": "joints",
        "vitrine.default.pose": [[1, 2, 3], [4, 5, 6]],
    }
    pose, bones = read(ports, change=change).inputs
    assert pose.default == (1, 2, 3, 4, 5, 6)
    assert bones.default is not None
    assert bones.default[:6] == (1, 0, 0, 0, 0, 1)
    assert len(bones.default) == 32


def test_image_formats() -> None:
    """Range, mean and standard deviation become one product and one sum a channel."""
    change = {
        "vitrine.image.picture": {
            "range": [-1, 1],
            "mean": [0.5, 0, 0],
            "std": [0.5, 1, 2],
            "channels": "bgr",
        }
    }
    (feed,) = read((Port("picture", (1, 8, 16, 3), "float32"),), change=change).inputs
    assert feed.image is not None
    assert (feed.image.layout, feed.image.height, feed.image.width) == ("nhwc", 8, 16)
    assert feed.image.channels == "bgr"
    assert feed.image.scale == (4, 2, 1)
    assert feed.image.offset == (-3, -1, -0.5)
    (bytes_,) = read((Port("image", (3, 8, 8), "uint8"),), roles=ROLES).inputs
    assert bytes_.image is not None
    assert bytes_.image.scale == (255, 255, 255)


def test_state() -> None:
    """A state goes round, 60 times a second unless the model says."""
    state = Port("v_out", (N, 3), "float32")
    change = {"vitrine.output.v_out": "state", "vitrine.input.v": "state:v_out"}
    contract = read((Port("v", (N, 3), "float32"),), (*PLAIN, state), change)
    assert (contract.inputs[0].role, contract.inputs[0].state) == ("state", "v_out")
    assert contract.rate_hz == 60


@pytest.mark.parametrize(
    ("shape", "degree"),
    [((N, 1, 3), 0), ((N, 16, 3), 3), ((1, N, 9, 3), 2), ((N, 48), 3), ((N * 12,), 1)],
)
def test_harmonics(shape: tuple[int, ...], degree: int) -> None:
    """As matrices, as rows, or flat."""
    outputs = (*PLAIN[:-1], Port("rgb", shape, "float16"))
    assert read((), outputs, {"vitrine.output.rgb": "gaussian.sh"}).sh_degree == degree


def test_leading_ones_and_flat_outputs() -> None:
    """(1, N, 3), (N * 3,) and (1, N) hold the same numbers as (N, 3) and (N, 1)."""
    outputs = (
        Port("xyz", (1, N, 3), "float32"),
        Port("size", (N * 3,), "float32"),
        Port("turn", (1, 1, N, 4), "float32"),
        Port("alpha", (1, N), "float32"),
        COLOR,
    )
    assert read((), outputs).capacity == N


def test_quantised_outputs() -> None:
    """Bytes with a scale; the zero point is 0 unless given."""
    outputs = swapped("rgb", (N, 3), "uint8")
    contract = read((), outputs, {"vitrine.quantization.rgb": {"scale": 0.004}})
    color = contract.output("gaussian.color")
    assert color is not None
    assert color.quantization == (0.004, 0)


def test_names_of_other_tools() -> None:
    """Without metadata, by name; matrices are for row vectors then."""
    inputs = (
        Port("camera", (4, 4), "float32"),
        Port("proj", (4, 4), "float32"),
        Port("time", (1,), "float32"),
    )
    contract = read_contract({}, inputs, FOREIGN, "m.onnx")
    assert [feed.role for feed in contract.inputs] == ["camera.view", "camera.projection", "time"]
    assert [feed.transposed for feed in contract.inputs] == [True, True, False]
    assert [product.role for product in contract.outputs] == [
        "gaussian.packed",
        "gaussian.color",
        "gaussian.count",
    ]
    assert all(item.why for item in (*contract.inputs, *contract.outputs))


@pytest.mark.parametrize(
    ("name", "shape", "role"),
    [
        ("sh", (N, 48), "gaussian.sh"),
        ("COLOR", (N, 3), "gaussian.color"),
        ("452", (N, 48), "gaussian.sh"),
        ("shs", (N, 4, 3), "gaussian.sh"),
    ],
)
def test_colour_of_other_tools(name: str, shape: tuple[int, ...], role: str) -> None:
    """By name, or the one output whose shape is left; columns tell RGB from SH."""
    contract = read_contract({}, (), (FOREIGN[0], Port(name, shape, "float16")), "m.onnx")
    assert contract.outputs[1].role == role


def test_an_input_without_a_role_goes_by_its_name() -> None:
    """Beside metadata for the others."""
    (feed,) = read((Port("time", (), "float32"),)).inputs
    assert feed.role == "time"


def test_what_counts_as_a_generator() -> None:
    """Metadata, or names; a network of another kind is left alone."""
    assert is_generator(ROLES, ())
    assert is_generator({}, FOREIGN)
    assert not is_generator({"author": "me"}, PLAIN)


def test_outputs_that_nothing_asks_for() -> None:
    """They are kept as unused, whatever they are."""
    contract = read((), (*PLAIN, Port("loss", ("batch",), "string")))
    assert contract.outputs[-1].role == "unused"


def test_the_docs_have_every_role_and_key() -> None:
    """And the bundle takes each of the roles."""
    text = DOCS.read_text(encoding="utf-8")
    for role in (*INPUTS, *OUTPUTS, "gaussian.count", "state", "state:<output>"):
        assert f"| `{role}` |" in text, role
    keys = ("contract", "kind", "clip", "rate", "bounds", "pose", "background", "antialiased")
    tensors = ("control", "default", "image"), ("activation", "quantization")
    keys += tuple(f"{word}.<input>" for word in tensors[0])
    keys += tuple(f"{word}.<output>" for word in tensors[1])
    for key in keys:
        assert f"| `vitrine.{key}` |" in text, key
    assert {*INPUTS, "state"} <= {*ROLES_IN_BUNDLES}


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
