"""The reader of a generator's contract: what it understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyengine.contract import Clip, Control, Port, is_generator, read_contract
from pyengine.contract.roles import INPUTS, OUTPUTS
from pyengine.feeds import ROLES as ROLES_IN_BUNDLES
from tests.pyengine.contracts import COLOR, LIFT, PLAIN, ROLES, N, read, swapped

DOCS = Path(__file__).resolve().parents[2] / "docs" / "contract.md"
FOREIGN = (
    Port("gaussian_f16", (N, 10), "float16"),
    Port("color_rgb", (N, 4), "float16"),
    Port("num_points", (1,), "int32"),
)


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
