"""The reader of a filter's contract: what it understands."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from pyengine.contract import ContractError, is_filter, read_contract
from pyengine.contract.filter_override import OVERRIDES
from pyengine.contract.filter_roles import FILTER_INPUTS, FILTER_OUTPUTS
from pyengine.contract.images import CHANNELS, FORMAT_KEYS, pictures
from tests.pyengine.filter_contracts import ROLES, H, W, X, Y, bare, port, read

DOCS = Path(__file__).resolve().parents[2] / "docs" / "contract.md"


def test_a_plain_filter() -> None:
    """The image in, the image out, where it was said, and how they compare."""
    contract = read()
    assert contract.source.name == "x"
    assert contract.product.name == "y"
    assert contract.source.why == "vitrine.input.x"
    assert contract.source.image == contract.image
    assert (contract.image.layout, contract.image.height, contract.image.width) == ("nchw", H, W)
    assert (contract.image.channels, contract.image.scale) == ("rgb", (1, 1, 1))
    assert (contract.ratio, contract.open, contract.rate_hz) == (1, False, None)


@pytest.mark.parametrize(
    ("shape", "layout", "channels"),
    [
        ((1, 3, H, W), "nchw", "rgb"),
        ((3, H, W), "nchw", "rgb"),
        ((1, H, W, 3), "nhwc", "rgb"),
        ((H, W, 3), "nhwc", "rgb"),
        ((1, 1, H, W), "nchw", "gray"),
        ((H, W, 1), "nhwc", "gray"),
        ((H, W), "nchw", "gray"),
        ((1, 4, H, W), "nchw", "rgba"),
        ((1, H, W, 4), "nhwc", "rgba"),
    ],
)
def test_shapes_of_images(shape: tuple[int, ...], layout: str, channels: str) -> None:
    """The same on both sides."""
    contract = read((port("x", *shape),), (port("y", *shape),))
    for image in (contract.source.image, contract.image):
        assert image is not None
        assert (image.layout, image.channels) == (layout, channels)
        assert (image.height, image.width) == (H, W)


def test_an_ambiguous_shape_takes_the_usual_order_or_what_is_said() -> None:
    """(1, 3, 20, 3) is three channels of 20 rows, unless metadata or the command line tell."""
    ports = (port("x", 1, 3, W, 3),), (port("y", 1, 3, W, 3),)
    assert read(*ports).image.layout == "nchw"
    said = {"image.x": {"layout": "nhwc"}, "image.y": {"layout": "nhwc"}}
    assert (read(*ports, said).image.height, read(*ports, said).image.width) == (3, W)
    assert read(*ports, override={"layout": "nhwc"}).image.layout == "nhwc"


def test_formats() -> None:
    """Range, mean and deviation become one product and one sum a channel; one number is for all."""
    said = {
        "image.x": {"range": [0, 255], "mean": [1, 2, 3], "std": 2, "channels": "bgr"},
        "image.y": {"range": [-1, 1]},
    }
    contract = read(change=said)
    source = contract.source.image
    assert source is not None
    assert (source.channels, source.scale) == ("bgr", (127.5, 127.5, 127.5))
    assert source.offset == (-0.5, -1, -1.5)
    assert (contract.image.scale, contract.image.offset) == ((2, 2, 2), (-1, -1, -1))


def test_coverage_is_one_whatever_the_range() -> None:
    """The fourth channel of rgba; of bytes it is 255."""
    said = {"image.x": {"range": [0, 255], "mean": [127, 127, 127]}}
    image = read((port("x", 1, H, W, 4),), change=said).source.image
    assert image is not None
    assert image.scale[3] + image.offset[3] == 1
    assert image.offset[:3] == (-127, -127, -127)
    image = read((port("x", 1, H, W, 4, dtype="uint8"),)).source.image
    assert image is not None
    assert image.scale[3] + image.offset[3] == 255


def test_bytes_are_0_to_255() -> None:
    """In and out, without a word."""
    ports = (port("x", 1, H, W, 3, dtype="uint8"),), (port("y", 1, H, W, 3, dtype="uint8"),)
    contract = read(*ports)
    assert contract.image.scale == (255, 255, 255)
    assert contract.source.image == contract.image
    assert read(*ports, {"image.x": {"range": [0, 255]}}).image.offset == (0, 0, 0)


def test_all_that_can_fill_an_input() -> None:
    """Depth, the image before in the output's format, a slider, a state; and the rate."""
    inputs = (
        *(X, port("d", 1, H, W, 1), port("p", 1, 3, 2 * H, 2 * W), port("t"), port("n", 1)),
        *(port("c", 1, 1), port("z", 4), port("v", 4), port("s", 1, 8, 3, 5)),
    )
    outputs = port("y", 1, 3, 2 * H, 2 * W), port("k", 1, 8, 3, 5), port("loss")
    contract = read(
        inputs,
        outputs,
        {
            "input.d": "depth",
            "input.p": "previous",
            "input.t": "time",
            "input.n": "frame",
            "control.c": {"min": 0, "max": 2, "default": 1},
            "input.z": "latent",
            "default.z": [1, 2, 3, 4],
            "input.v": "viewport",
            "input.s": "state:k",
            "output.k": "state",
            "image.y": {"range": [-1, 1], "channels": "bgr"},
            "rate": "30",
        },
    )
    roles = [feed.role for feed in contract.inputs]
    assert roles[:6] == ["image", "depth", "previous", "time", "frame", "control"]
    assert roles[6:] == ["latent", "viewport", "state"]
    depth, previous = (contract.inputs[i].image for i in (1, 2))
    assert depth is not None
    assert (depth.channels, depth.layout, depth.scale, depth.offset) == ("gray", "nhwc", (1,), (0,))
    assert previous == contract.image
    assert (contract.inputs[5].default, contract.inputs[6].default) == ((1,), (1, 2, 3, 4))
    assert contract.inputs[8].state == "k"
    assert [product.role for product in contract.outputs] == ["image", "state", "unused"]
    assert (contract.ratio, contract.rate_hz) == (2, 30)


def test_open_sizes() -> None:
    """They are 0, and an open batch is 1, also of what else has it."""
    inputs = (
        port("x", "n", 3, "h", "w"),
        port("d", "n", 1, "h", "w"),
        port("s", "n", 8, "h", "w"),
        port("c", "n", 1),
    )
    outputs = port("y", "n", 3, "h", "w"), port("k", "n", 8, "h", "w")
    change = {
        "input.d": "depth",
        "input.s": "state:k",
        "output.k": "state",
        "control.c": {"min": 0, "max": 1},
    }
    contract = read(inputs, outputs, change)
    assert [feed.shape for feed in contract.inputs] == [
        (1, 3, 0, 0),
        (1, 1, 0, 0),
        (1, 8, 0, 0),
        (1, 1),
    ]
    assert (contract.image.height, contract.image.width, contract.open) == (0, 0, True)
    assert contract.ratio == 1
    assert read(inputs, (port("y", "n", 3, "a", "b"), outputs[1]), change).ratio is None


@pytest.mark.parametrize(
    ("size", "ratio"),
    [((H * 8, W * 8), "8"), ((H // 4, W // 4), "1/4"), ((H * 3 // 2, W * 3 // 2), "3/2")],
)
def test_ratios(size: tuple[int, int], ratio: str) -> None:
    """Whole or not, up and down."""
    assert read(outputs=(port("y", 1, 3, *size),)).ratio == Fraction(ratio)


def test_without_metadata() -> None:
    """One image in; the first output with one or three channels that is an image."""
    outputs = port("offsets", 1, 6, 10, 4), port("scores", 1, 6, 10, 1), port("b", 1, 6, 10, 1)
    contract = bare(port("in", 1, H, W, 4), outputs=outputs)
    assert (contract.source.name, contract.product.name) == ("in", "scores")
    assert [p.role for p in contract.outputs] == ["unused", "image", "unused"]
    assert (contract.ratio, contract.image.channels) == (Fraction(1, 2), "gray")


def test_the_command_line_wins() -> None:
    """Range and channels are both images'; mean and deviation only those of the one taken."""
    said = {"image.x": {"range": [0, 1], "mean": 0.5}, "image.y": {"range": [0, 1]}}
    given = {"range": "0..255", "channels": "bgr", "std": "1/2/4"}
    contract = read(change=said, override=given)
    source = contract.source.image
    assert source is not None
    assert (source.channels, contract.image.channels) == ("bgr", "bgr")
    assert source.scale == (255, 127.5, 63.75)
    assert source.offset == (-0.5, -0.25, -0.125)
    assert contract.image.scale == (255, 255, 255)


def test_names_on_the_command_line() -> None:
    """They take the role from whom the metadata gave it."""
    outputs = Y, port("z", 1, 1, H, W)
    contract = read(outputs=outputs, override={"output": "z", "channels": "y"})
    assert (contract.product.name, contract.image.channels) == ("z", "y")
    assert contract.outputs[0].role == "unused"
    assert contract.source.image is not None
    assert contract.source.image.channels == "rgb"
    assert bare(X, outputs=outputs, output="z").product.name == "z"
    inputs = port("a", 1, 3, H, W), X
    change = {"input.a": "previous", "input.x": "image"}
    assert read(inputs, change=change, override={"input": "x"}).source.name == "x"


def test_what_the_image_before_is_follows_the_command_line() -> None:
    """Its range is the output's, also where the metadata say a mean of the output alone."""
    inputs = X, port("p", 1, 3, H, W)
    change = {"input.p": "previous", "image.y": {"mean": 3}}
    contract = read(inputs, change=change, override={"range": "0..255"})
    assert contract.inputs[1].image == contract.image
    assert contract.image.offset == (-3, -3, -3)


@pytest.mark.parametrize("text", ["-1..1", "-1,1", "-1 1", "[-1, 1]", "-1/1"])
def test_ways_to_write_a_range(text: str) -> None:
    """As people do."""
    assert bare(X, range=text).image.offset == (-1, -1, -1)


def test_what_counts_as_a_filter() -> None:
    """Metadata, or an image to an image; a generator or a classifier is none."""
    assert is_filter({"vitrine.kind": " filter "}, (), ())
    assert not is_filter({**ROLES, "vitrine.kind": "generator"}, (X,), (Y,))
    assert is_filter({"author": "me"}, (X,), (Y,))
    assert not is_filter({}, (X,), (port("scores", 1, 1000),))
    assert not is_filter({}, (X, port("t", 1)), (Y,))
    assert not is_filter({}, (X,), (port("gaussians", 64, 10), port("rgb", 64, 3), Y))
    assert not is_filter({"vitrine.output.xyz": "gaussian.position"}, (X,), (Y,))


def test_each_reader_tells_of_the_other() -> None:
    """What the model is, and what to write."""
    with pytest.raises(ContractError, match=r"is a filter.*build scene.ply --filter m.onnx"):
        read_contract(ROLES, (X,), (Y,), "m.onnx")
    with pytest.raises(ContractError, match=r"generator of Gaussians.*vitrine build m.onnx"):
        read(change={"kind": "generator"})
    with pytest.raises(ContractError, match=r"generator of Gaussians"):
        read(outputs=(port("y", 9, 3),), change={"kind": None, "output.y": "gaussian.position"})
    with pytest.raises(ContractError, match=r"generator of Gaussians"):
        bare(X, outputs=(port("gaussians", 64, 10),))


def test_symbols_and_sizes_as_pictures() -> None:
    """A symbol is never channels; a batch is one."""
    assert not list(pictures((2, 3, H, W)))
    assert not list(pictures((1, "c", H, W)))
    assert not list(pictures((1, 3, 0, W)))
    assert [p.layout for p in pictures((1, 3, "h", "w"))] == ["nchw"]
    assert [p.layout for p in pictures((3, W, 3))] == ["nchw", "nhwc"]


def test_the_docs_have_every_role_and_key() -> None:
    """In the part on filters."""
    text = DOCS.read_text(encoding="utf-8").split("\n## Filters\n")[1].split("\n## ")[0]
    for role in (*FILTER_INPUTS, *FILTER_OUTPUTS[:2], "state:<output>"):
        assert f"| `{role}` |" in text, role
    for word in (
        *FORMAT_KEYS,
        *OVERRIDES,
        *(name for names in CHANNELS.values() for name in names),
    ):
        assert f"`{word}`" in text, word
