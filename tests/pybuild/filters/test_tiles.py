"""Images cut into tiles and joined: no seam, no pixel lost, whatever the sizes."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from onnx import helper

from pybuild.filters.compile import filter_tensors
from pybuild.filters.describe import describe_filter
from pybuild.filters.tiles import axis_of, grid_of
from pyengine.errors import InputError
from tests.pybuild.filters.small_filters import (
    composite,
    filter_model,
    local,
    made_of,
    metadata,
    render,
)

CLOSE = 2e-6
SEAMLESS = 1e-5

SIZES = [1, 7, 15, 16, 17, 24, 25, 31, 32, 33, 100, 641]


@pytest.mark.parametrize("overlap", [0, 1, 2, 5, 8, 15])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ratio", [Fraction(1), Fraction(3), Fraction(1, 2)])
def test_weights_sum_to_one(size: int, overlap: int, ratio: Fraction) -> None:
    """Of every output pixel, over tiles that have it; each tile begins at a whole output pixel."""
    axis = axis_of(size, 16, overlap, ratio)
    first, weights = axis.weights()
    assert weights.shape[0] == axis.output_size == -(-size * ratio.numerator // ratio.denominator)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert (weights >= 0).all()
    span = int(16 * ratio)
    for k in range(weights.shape[1]):
        starts = np.array([axis.output_start(tile) for tile in first + k])
        inside = np.arange(axis.output_size) - starts
        assert (((inside >= 0) & (inside < span)) | (weights[:, k] == 0)).all()
    assert all(start * ratio == int(start * ratio) for start in axis.starts)


@pytest.mark.parametrize("overlap", [0, 1, 2, 5, 8, 15])
@pytest.mark.parametrize("size", SIZES)
def test_tiles_overlap_as_asked(size: int, overlap: int) -> None:
    """From the first pixel to the last, by so many at least, and no more tiles than that takes."""
    starts = axis_of(size, 16, overlap, Fraction(1)).starts
    assert starts[0] == 0
    assert starts[-1] == max(size - 16, 0)
    assert all(16 - (b - a) >= overlap for a, b in pairwise(starts))
    fewer = len(starts) - 1
    assert fewer == 0 or 16 + (fewer - 1) * (16 - overlap) < size


@pytest.mark.parametrize("overlap", [-1, 16, 40])
def test_overlaps_that_leave_nothing(overlap: int) -> None:
    with pytest.raises(InputError, match=rf"tiles={overlap}: wanted an overlap from 0 to 15"):
        axis_of(100, 16, overlap, Fraction(1))


def test_too_many_tiles() -> None:
    """The nearest overlap that fits is named, or the nearest size; and it fits."""
    one = Fraction(1), Fraction(1)
    told = r"takes \d+ tiles of 16x16; wanted at most 1024: let them overlap less: tiles=(\d+)$"
    with pytest.raises(InputError, match=told) as caught:
        grid_of((640, 360), (16, 16), 14, one)
    overlap = int(str(caught.value).rpartition("=")[2])
    assert 900 < grid_of((640, 360), (16, 16), overlap, one).count <= 1024
    told = r"make it for a smaller image: size=(\d+)x(\d+)$"
    with pytest.raises(InputError, match=told) as caught:
        grid_of((1280, 720), (16, 16), 0, one)
    size = re.search(told, str(caught.value))
    assert size is not None
    assert 900 < grid_of((int(size[1]), int(size[2])), (16, 16), 0, one).count <= 1024


def identity(size: tuple[int, int], ratio: int = 1) -> Any:
    """Its input, larger perhaps."""
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")]
    scales = np.array([1, 1, ratio, ratio], np.float32)
    height, width = size
    return filter_model(
        nodes,
        {"x": ("float32", (1, 3, *size))},
        {"y": ("float32", (1, 3, height * ratio, width * ratio))},
        {"scales": scales},
        metadata({}, {}),
    )


@pytest.mark.parametrize("overlap", [0, 3, 8])
@pytest.mark.parametrize("size", [(5, 3), (16, 12), (17, 13), (40, 12), (35, 29), (61, 47)])
def test_a_network_that_does_nothing(size: tuple[int, int], overlap: int) -> None:
    """A size smaller than a tile too: the edge is repeated, and cut off again."""
    pixels = render(*size)
    found = made_of(identity((12, 16)), size, {"render": pixels}, tiles=overlap)["image"]
    assert found.shape == (size[1], size[0], 3)
    assert np.abs(found - composite(pixels)).max() <= CLOSE


def test_tiles_of_a_network_that_enlarges() -> None:
    pixels = render(35, 29)
    found = made_of(identity((12, 16), 2), (35, 29), {"render": pixels}, tiles=4)["image"]
    wanted = composite(pixels).repeat(2, 0).repeat(2, 1)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= CLOSE


@pytest.mark.parametrize("size", [(50, 41), (24, 60)])
def test_convolutions_have_no_seam(size: tuple[int, int]) -> None:
    """A quarter of the overlap is what a pixel sees to a side: as if it had never been cut."""
    pixels = render(*size)
    found = made_of(local((24, 24)), size, {"render": pixels}, tiles=8)["image"]
    whole = made_of(local(("h", "w")), size, {"render": pixels})["image"]
    assert np.abs(found - whole).max() <= SEAMLESS


def test_tiles_that_do_not_overlap_show_a_seam() -> None:
    """Which is what the test before would see."""
    pixels = render(48, 24)
    found = made_of(local((24, 24)), (48, 24), {"render": pixels}, tiles=0)["image"]
    whole = made_of(local(("h", "w")), (48, 24), {"render": pixels})["image"]
    apart = np.abs(found - whole).max(axis=(0, 2))
    assert apart[:22].max() <= SEAMLESS
    assert apart[22:26].max() > 100 * SEAMLESS


def test_a_number_that_is_none_stays_in_its_tile() -> None:
    """What a tile has beyond its share is nothing to its neighbours, not zero times it."""
    nodes = [
        helper.make_node("Mul", ["x", "mask"], ["a"]),
        helper.make_node("Log", ["a"], ["b"]),
        helper.make_node("Add", ["x", "b"], ["y"]),
    ]
    mask = np.ones((1, 3, 12, 16), np.float32)
    mask[..., 0] = -1  # the first column of each tile, which the one before it has too
    ports = {"x": ("float32", (1, 3, 12, 16))}, {"y": ("float32", (1, 3, 12, 16))}
    model = filter_model(nodes, *ports, {"mask": mask}, metadata({}, {}))
    pixels = np.full((12, 28, 4), 0.5, np.float32)
    found = made_of(model, (28, 12), {"render": pixels}, tiles=4)["image"]
    assert np.isnan(found[:, 0]).all()
    assert np.isfinite(found[:, 1:]).all()


def test_luma_in_tiles_keeps_the_chroma_of_the_whole() -> None:
    luma = {"channels": "y"}
    nodes = [helper.make_node("Neg", ["x"], ["y"])]
    ports = {"x": ("float32", (1, 1, 12, 16))}, {"y": ("float32", (1, 1, 12, 16))}
    model = filter_model(nodes, *ports, {}, metadata(luma, {**luma, "range": [0, -1]}))
    pixels = render(35, 29)
    found = made_of(model, (35, 29), {"render": pixels}, tiles=4)["image"]
    assert np.abs(found - composite(pixels)).max() <= 2 * CLOSE


def test_every_tile_has_a_state() -> None:
    nodes = [
        helper.make_node("Add", ["x", "told"], ["y"]),
        helper.make_node("Identity", ["y"], ["next"]),
    ]
    shape = (1, 3, 12, 16)
    said = metadata({}, {}, **{"vitrine.input.told": "state:next", "vitrine.output.next": "state"})
    model = filter_model(
        nodes,
        {"x": ("float32", shape), "told": ("float32", shape)},
        {"y": ("float32", shape), "next": ("float32", shape)},
        {},
        said,
    )
    tensors = filter_tensors(model, describe_filter(model), (28, 20), tiles=4)
    shapes = {t.name: t.shape for t in (*tensors.inputs, *tensors.outputs)}
    assert tensors.tiles == 4
    assert shapes["told"] == shapes["state.next"] == (4, *shape)
    assert shapes["image"] == (20, 28, 3)


def test_what_takes_any_size_is_not_cut() -> None:
    model = local(("h", "w"))
    with pytest.raises(InputError, match=r"small: tiles=8, but it takes images of any size"):
        filter_tensors(model, describe_filter(model), (50, 41), tiles=8)


def test_the_model_is_named_where_tiles_do_not_fit() -> None:
    model = local((24, 24))
    with pytest.raises(InputError, match=r"small: tiles=24: wanted an overlap from 0 to 23"):
        filter_tensors(model, describe_filter(model), (50, 41), tiles=24)
