"""Models at other sizes than their own, or at any: what opens, what is padded, what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from pybuild.filters import ladder
from pybuild.filters.bundle import make_filters
from pybuild.filters.compile import filter_tensors
from pybuild.filters.describe import describe_filter
from pybuild.filters.ladder import SHOWN, default_sizes
from pybuild.filters.retarget import Elastic, NotElastic, Reach
from pybuild.onnx.problems import GraphError
from tests.pybuild.filters.small_filters import (
    composite,
    filter_model,
    local,
    made_of,
    metadata,
    onnxruntime_of,
    render,
)

CLOSE = 1e-5
ONE = (Fraction(1), Fraction(1))


def elastic(model: onnx.ModelProto | Path) -> Elastic:
    return Elastic(model, describe_filter(model))


def hourglass(size: tuple[int | str, int | str], halvings: int = 2) -> onnx.ModelProto:
    """Down by a factor of two so often, up again, each step joined with its equal: a U-Net."""
    rng = np.random.default_rng(6)
    nodes, constants, last, kept = [], {}, "x", []
    for k in range(halvings):
        constants[f"w{k}"] = rng.normal(0, 0.4, (3, 3, 3, 3)).astype(np.float32)
        kept.append(last)
        nodes.append(
            helper.make_node("Conv", [last, f"w{k}"], [f"d{k}"], pads=[1] * 4, strides=[2, 2])
        )
        last = f"d{k}"
    constants["v"] = rng.normal(0, 0.4, (3, 3, 2, 2)).astype(np.float32)
    for k, other in enumerate(reversed(kept)):
        name = "y" if k == halvings - 1 else f"s{k}"
        nodes += [
            helper.make_node("ConvTranspose", [last, "v"], [f"u{k}"], strides=[2, 2]),
            helper.make_node("Add", [f"u{k}", other], [name]),
        ]
        last = name
    shape = (1, 3, *size)
    ports = {"x": ("float32", shape)}, {"y": ("float32", shape)}
    return filter_model(nodes, *ports, constants, metadata({}, {}))


def shaped(size: tuple[int, int]) -> onnx.ModelProto:
    """Sizes baked into a Reshape."""
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["a"]),
        helper.make_node("Reshape", ["a", "again"], ["y"]),
    ]
    constants = {"flat": np.array([3, size[0] * size[1]]), "again": np.array([1, 3, *size])}
    ports = {"x": ("float32", (1, 3, *size))}, {"y": ("float32", (1, 3, *size))}
    return filter_model(nodes, *ports, constants, metadata({}, {}))


def cropped() -> onnx.ModelProto:
    """Sizes baked into a Slice, which opens at every larger size, and gives always the same."""
    nodes = [helper.make_node("Slice", ["x", "starts", "ends", "axes"], ["y"])]
    constants = {
        "starts": np.array([0, 0]),
        "ends": np.array([16, 16]),
        "axes": np.array([2, 3]),
    }
    ports = {"x": ("float32", (1, 3, 16, 16))}, {"y": ("float32", (1, 3, 16, 16))}
    return filter_model(nodes, *ports, constants, metadata({}, {}))


def bordered() -> onnx.ModelProto:
    """A border that only large images have."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Pad", ["c", "pads"], ["y"], mode="reflect"),
    ]
    constants = {
        "w": np.ones((3, 3, 41, 41), np.float32),
        "pads": np.array([0, 0, 20, 20, 0, 0, 20, 20]),
    }
    shape = (1, 3, "h", "w")
    ports = {"x": ("float32", shape)}, {"y": ("float32", shape)}
    return filter_model(nodes, *ports, constants, metadata({}, {}))


def strided(step: int, size: tuple[int | str, int | str] = ("h", "w")) -> onnx.ModelProto:
    """A pixel in so many kept, and put back among zeros: multiples of ``step`` and one more."""
    kernel = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], strides=[step, step]),
        helper.make_node("ConvTranspose", ["a", "w"], ["b"], strides=[step, step]),
        helper.make_node("Add", ["b", "x"], ["y"]),
    ]
    ports = {"x": ("float32", (1, 3, *size))}, {"y": ("float32", (1, 3, *size))}
    return filter_model(nodes, *ports, {"w": kernel}, metadata({}, {}))


def patches(side: int, size: tuple[int | str, int | str] = ("h", "w")) -> onnx.ModelProto:
    """Squares of pixels as one, and back: what is over is dropped without a word."""
    nodes = [
        helper.make_node("SpaceToDepth", ["x"], ["a"], blocksize=side),
        helper.make_node("DepthToSpace", ["a"], ["y"], blocksize=side),
    ]
    ports = {"x": ("float32", (1, 3, *size))}, {"y": ("float32", (1, 3, *size))}
    return filter_model(nodes, *ports, {}, metadata({}, {}))


@pytest.mark.parametrize("size", [("h", "w"), (16, 24)])
@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_what_sizes_are_taken(size: tuple[int | str, int | str], halvings: int) -> None:
    """By shapes alone: a U-Net that halves k times takes multiples of 2 to the k."""
    own = (24, 16) if size == (16, 24) else None
    assert elastic(hourglass(size, halvings)).reach() == Reach(own, ONE, 2**halvings)


@pytest.mark.parametrize("made", [(24, 16), (48, 20), (33, 21), (5, 4), (1, 1)])
@pytest.mark.parametrize("declared", [("h", "w"), (16, 24)])
def test_sizes_between_are_padded(
    declared: tuple[int | str, int | str], made: tuple[int, int]
) -> None:
    """To the next multiple, by the last row and column, which are cut off again."""
    width, height = made
    model = hourglass(declared)
    inner = elastic(model).fitted(made).inner
    assert inner == (-(-width // 4) * 4, -(-height // 4) * 4)
    pixels = render(*made)
    found = made_of(model, made, {"render": pixels})["image"]
    edge = ((0, inner[1] - height), (0, inner[0] - width), (0, 0))
    image = np.pad(composite(pixels), edge, mode="edge").transpose(2, 0, 1)[None]
    (wanted,) = onnxruntime_of(hourglass(("h", "w")), x=image.astype(np.float32))
    assert found.shape == (height, width, 3)
    assert np.abs(found - wanted[0].transpose(1, 2, 0)[:height, :width]).max() <= CLOSE


def test_the_model_is_not_changed() -> None:
    model = hourglass((16, 24))
    before = model.SerializeToString()
    elastic(model).fitted((48, 20))
    assert model.SerializeToString() == before


def test_a_size_in_a_reshape() -> None:
    reach = elastic(shaped((6, 5))).reach()
    assert reach.own == (5, 6)
    assert "Reshape" in reach.fixed
    with pytest.raises(
        NotElastic, match=r"small: is made for 5x6 and cannot be made for 7x6: .*Re"
    ):
        elastic(shaped((6, 5))).fitted((7, 6))


def test_a_size_in_a_reshape_that_the_output_does_not_show() -> None:
    """A mean over so many pixels as there were: the image would be as large as it should be."""
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["a"]),
        helper.make_node("ReduceMean", ["a", "last"], ["b"]),
        helper.make_node("Reshape", ["b", "again"], ["c"]),
        helper.make_node("Mul", ["x", "c"], ["y"]),
    ]
    constants = {
        "flat": np.array([1, 3, 30]),
        "last": np.array([2]),
        "again": np.array([1, 3, 1, 1]),
    }
    ports = {"x": ("float32", (1, 3, 6, 5))}, {"y": ("float32", (1, 3, 6, 5))}
    model = filter_model(nodes, *ports, constants, metadata({}, {}))
    told = r"Reshape 'Reshape_0' .*its shape is \[1, 3, 30\] whatever it is given"
    with pytest.raises(NotElastic, match=told):
        elastic(model).fitted((7, 6))


def test_a_size_in_a_slice() -> None:
    """It opens, and its output does not grow: what it would show is a corner."""
    reach = elastic(cropped()).reach()
    assert "its output is 16x16; wanted" in reach.fixed
    with pytest.raises(NotElastic, match=r"at 32x32 its output is 16x16; wanted 32x32"):
        elastic(cropped()).fitted((32, 32))


def test_a_fixed_model_is_refused_with_a_way_out() -> None:
    model = shaped((6, 5))
    with pytest.raises(
        NotElastic, match=r"Leave its size as it is: size=5x6, or cut the image: tiles=1\."
    ):
        filter_tensors(model, describe_filter(model), (7, 6))
    assert filter_tensors(model, describe_filter(model), (5, 6)).inner == (5, 6)


def test_an_open_model_with_a_border_that_only_large_images_have() -> None:
    """What it asks for is told, not that it has a size of its own."""
    model = bordered()
    told = r"cannot be made for 8x8, nor for larger .*The nearest that it takes: 41x41; write"
    with pytest.raises(NotElastic, match=told):
        elastic(model).fitted((8, 8))
    assert elastic(model).fitted((64, 64)).inner == (64, 64)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (strided(4), r"Add .* The nearest that it takes: 637x357 and 641x361; write size=637x357/"),
        (patches(14), r"The nearest that it takes: 630x350 and 644x364; write size=630x350/644x36"),
        (patches(14, (28, 42)), r"made for 42x28 .* 630x350 and 644x364; .*or cut .*: tiles=7\."),
    ],
)
def test_the_nearest_sizes_that_work_are_named(model: onnx.ModelProto, told: str) -> None:
    """And they do work; its own alone was named, or none."""
    found = elastic(model)
    assert not found.fits((640, 360))
    with pytest.raises(NotElastic, match=told):
        found.fitted((640, 360))
    for size in found.nearest((640, 360)):
        assert found.fitted(size).inner == size
        assert found.fits(size)


def test_multiples_that_are_none_by_chance() -> None:
    """392 is a multiple of 8 and of 14; 408 is not of 14."""
    assert elastic(patches(14)).reach().fixed
    assert elastic(patches(8)).reach().multiple == 8


@pytest.mark.parametrize(("model", "ratio"), [(strided(8), 1), (patches(14), 1), (patches(12), 1)])
def test_open_sizes_are_tried_at_others_too(model: onnx.ModelProto, ratio: int) -> None:
    """Multiples of 128 fail, or come out smaller, where those of 14 are taken, or one more."""
    assert describe_filter(model).ratio == ratio


@pytest.mark.parametrize(("op", "tells"), [("Concat", True), ("Add", False)])
def test_sizes_that_were_tried_are_told(op: str, tells: bool) -> None:
    """Where none opens; but not if what is wrong is the same at each."""
    attributes = {"axis": 1} if op == "Concat" else {}
    nodes = [helper.make_node(op, ["x", "c"], ["y"], **attributes)]
    ports = ({name: ("float32", (1, 3, "h", "w"))} for name in "xy")
    constants = {"c": np.zeros((1, 3, 100, 100), np.float32)}
    with pytest.raises(GraphError, match=op) as caught:
        describe_filter(filter_model(nodes, *ports, constants, metadata({}, {})))
    assert ("at none of those that were tried: 384x256, 512x384, " in str(caught.value)) == tells


def test_a_ladder_leaves_out_what_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes too small for its border; if none is left, that is told with those that would do."""
    monkeypatch.setattr(ladder, "SHOWN", ((64, 48), (16, 12), (48, 64)))
    for name, model in (("wide", bordered()), ("odd", strided(4))):
        onnx.save(model, tmp_path / f"{name}.onnx")
    (made,) = make_filters([str(tmp_path / "wide.onnx")])
    assert [rung.render for rung in made.spec.rungs] == [(64, 48), (48, 64)]
    with pytest.raises(NotElastic, match=r"cannot be made for 64x48.* size=61x45/65x49"):
        make_filters([str(tmp_path / "odd.onnx")])


def test_weights_beside_the_file(tmp_path: Path) -> None:
    """Another size needs a copy of the model, which must find them still."""
    path = tmp_path / "local.onnx"
    onnx.save_model(
        local((16, 24)),
        path,
        save_as_external_data=True,
        location="local.bin",
        size_threshold=0,
    )
    assert elastic(path).fitted((40, 30)).inner == (40, 30)
    (tmp_path / "local.bin").unlink()
    with pytest.raises(GraphError, match=r"(?s)local.onnx: .*local.bin"):
        elastic(path)


def test_the_batch_may_be_open() -> None:
    model = local(("h", "w"))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    assert elastic(model).fitted((40, 30)).graph.inputs[0].shape == (1, 3, 30, 40)


# ------------------------------------------------------------------------------------------ ladder


def test_a_ladder_of_what_is_shown() -> None:
    assert default_sizes(Reach(None, ONE, 1)) == list(SHOWN)
    assert default_sizes(Reach((256, 256), ONE, 1)) == list(SHOWN)


def test_sizes_are_smaller_where_the_output_is_larger() -> None:
    """1280x720 of what is shown is 427x240 to a network that makes three of each pixel."""
    three = (Fraction(3), Fraction(3))
    assert default_sizes(Reach(None, three, 1))[0] == (427, 240)
    assert default_sizes(Reach(None, ONE, 1), Fraction(2))[:2] == [(640, 360), (480, 270)]
    assert default_sizes(Reach(None, ONE, 1), Fraction(1, 2))[0] == (2560, 1440)


def test_sizes_are_multiples_of_what_is_taken() -> None:
    sizes = default_sizes(Reach(None, ONE, 8))
    assert all(width % 8 == height % 8 == 0 for width, height in sizes)
    assert (480, 272) in sizes
    assert default_sizes(Reach(None, (Fraction(8),) * 2, 32))[-1] == (64, 64)


def test_a_model_with_a_size_of_its_own_has_one_rung() -> None:
    assert default_sizes(Reach((320, 200), ONE, 1, "a Reshape")) == [(320, 200)]
