"""A picture to Gaussians: the file, how deep it sees, and the same Gaussians on the GPU."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pybuild.generators.bundle import Made, make_generator
from pybuild.poster import start_view
from pybuild.reference import Ellipsoids, render, to_uint8
from pybuild.render import Renderer
from pyengine.passes.network import PREFIX
from tests.exporters.oracle import FOLDER, Oracle, contract_of, psnr, relative_error

PATH = FOLDER / "feedforward.onnx"
SIZE = 128
FRONT = SIZE * SIZE
PIVOT = 2.6
"""The camera of the picture is so far before the origin."""
PICTURES = ("room-1", "room-2", "room-3", "room-4")
MOST_DISPATCHES = 34
DEPTH_ERROR, WORST_DEPTH_ERROR = 0.16, 0.30
"""Mean relative difference: of all test pictures, and of each. One picture does not tell sizes."""
SAME_VIEW_DB = 24.0
"""The picture, drawn again of its Gaussians from where it was taken."""
ORACLE_DB = 40.0
RELATIVE = 1e-3

Array = NDArray[Any]


def pixels(name: str) -> Array:
    """A test picture, (128, 128, 3) uint8."""
    return np.asarray(Image.open(FOLDER / "pictures" / f"{name}.png").convert("RGB"))


def depth(name: str) -> Array:
    """Its true depths, (128, 128)."""
    return np.asarray(Image.open(FOLDER / "pictures" / f"{name}-depth.png"), np.float64) / 1000


@cache
def oracle() -> Oracle:
    """One session."""
    return Oracle(PATH)


@cache
def gaussians(name: str) -> dict[str, Array]:
    """What onnxruntime makes of a picture."""
    image = pixels(name).transpose(2, 0, 1)[None].astype(np.float32) / 255
    return oracle()(image=image)


@pytest.fixture(scope="module")
def made() -> Made:
    """Compiled once."""
    return make_generator(PATH)


def drawn(rows: dict[str, Array], made: Made) -> Array:
    """By the numpy renderer, from the picture's camera."""
    view = start_view(made.scene, SIZE, SIZE)
    cloud = Ellipsoids.of_packed(rows["packed"], rows["color"])
    return to_uint8(render(cloud, view, made.scene.background or (0, 0, 0)))


def test_its_contract() -> None:
    """One picture in; a Gaussian a pixel, and a quarter as many behind."""
    contract = contract_of(PATH)
    (feed,) = contract.inputs
    assert (feed.role, feed.shape) == ("image", (1, 3, SIZE, SIZE))
    assert contract.capacity == FRONT + FRONT // 4


def test_depths_of_rooms_that_it_was_not_trained_on() -> None:
    """On average, and none far off; near and far are in the right order."""
    errors = []
    for name in PICTURES:
        found = gaussians(name)["packed"][:FRONT, 2].reshape(SIZE, SIZE) + PIVOT
        wanted = depth(name)
        errors.append(float(np.mean(np.abs(found - wanted) / wanted)))
        assert np.corrcoef(1 / found.ravel(), 1 / wanted.ravel())[0, 1] > 0.8, name
    assert max(errors) < WORST_DEPTH_ERROR
    assert np.mean(errors) < DEPTH_ERROR


def test_the_second_layer_is_behind_the_first() -> None:
    """In each block of two by two pixels."""
    for name in PICTURES:
        z = gaussians(name)["packed"][:, 2] + PIVOT
        front = z[:FRONT].reshape(SIZE // 2, 2, SIZE // 2, 2).max((1, 3))
        assert (z[FRONT:].reshape(front.shape) > front).all()


def test_the_first_view_is_the_picture(made: Made) -> None:
    """Drawn of its Gaussians."""
    for name in PICTURES[:2]:
        assert psnr(drawn(gaussians(name), made), pixels(name)) > SAME_VIEW_DB, name


def test_it_takes_few_dispatches(made: Made) -> None:
    """Eighteen convolutions, the colours behind, and what is around them."""
    assert len(made.network.program.dispatches) <= MOST_DISPATCHES


@pytest.mark.gpu
def test_the_gpu_sees_like_onnxruntime(adapter: Any, made: Made) -> None:
    """Three pictures, one after the other; nothing runs while the picture stays."""
    view = start_view(made.scene, SIZE, SIZE)
    names = {tensor.name: tensor for tensor in made.network.program.outputs}
    with Renderer(made.scene, lambda _: b"", SIZE, SIZE, made.network, adapter) as renderer:
        for name in PICTURES[:3]:
            renderer.set_input("image", pixels(name))
            image = renderer.draw(view, 0.0)
            wanted = gaussians(name)
            for role in ("packed", "color"):
                tensor = names[f"gaussian.{role}"]
                found = renderer.read(PREFIX + tensor.buffer)[: int(np.prod(tensor.shape))]
                expected = wanted[role]
                assert relative_error(found.reshape(expected.shape), expected) < RELATIVE, name
            assert psnr(image, drawn(wanted, made)) >= ORACLE_DB, name
