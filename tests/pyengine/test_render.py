"""Native pictures against the oracle's, on real scenes: the engine, and what packing costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.gaussians import Gaussians
from pybuild.pack import pack, unpack
from pybuild.reference import render as oracle
from pybuild.reference import to_uint8
from pybuild.render import in_memory, render
from pyengine.bundle import Scene
from pyengine.engine import NEAR
from pyengine.view import View
from tests.pyengine.scenes import CAMERAS, SCENES, camera, load_scene, psnr_db

pytestmark = pytest.mark.gpu

NATIVE_DB = 45.0
"""Native against the oracle: packing, half floats, bits of depth and an 8-bit canvas together."""
PACKED_DB = 50.0
"""The oracle's picture of the packed cloud against that of the cloud: packing alone."""

Image8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Subject:
    """A cloud, as it was read and as it was packed."""

    cloud: Gaussians
    packed: Gaussians
    scene: Scene
    load: Callable[[str], bytes]


@pytest.fixture(scope="module")
def subject_of(request: pytest.FixtureRequest) -> Callable[[str], Subject]:
    """Loads a scene by its name, once a session."""

    @cache
    def subject(name: str) -> Subject:
        shared = Path() if name == "sample" else request.getfixturevalue("shared")
        cloud = load_scene(name, shared)
        return Subject(cloud, unpack(pack(cloud)), *in_memory(cloud))

    return subject


@pytest.fixture(scope="module")
def picture_of(subject_of: Callable[[str], Subject]) -> Callable[[str, str], Image8]:
    """The oracle's picture of the cloud as it was read, drawn once a session: seconds each."""

    @cache
    def picture(name: str, view_name: str) -> Image8:
        cloud = subject_of(name).cloud
        return to_uint8(oracle(cloud, camera(cloud, view_name)))

    return picture


@pytest.mark.parametrize("view_name", CAMERAS)
@pytest.mark.parametrize("name", SCENES)
def test_native_against_the_oracle(
    adapter: Any,
    subject_of: Callable[[str], Subject],
    picture_of: Callable[[str, str], Image8],
    name: str,
    view_name: str,
) -> None:
    """All that the engine rounds and leaves out, in one number."""
    subject = subject_of(name)
    expected = picture_of(name, view_name)
    assert expected.max() > 100, "the picture shows nothing"
    image = render(subject.scene, subject.load, camera(subject.cloud, view_name))
    ratio = psnr_db(image, expected)
    print(f"{name}, {view_name}: native against the oracle {ratio:.2f} dB")
    assert ratio >= NATIVE_DB


@pytest.mark.parametrize("view_name", CAMERAS)
@pytest.mark.parametrize("name", SCENES)
def test_packing_is_not_seen(
    subject_of: Callable[[str], Subject],
    picture_of: Callable[[str, str], Image8],
    name: str,
    view_name: str,
) -> None:
    """Quantised positions, scales, rotations, opacity and colours, drawn by the oracle."""
    subject = subject_of(name)
    image = to_uint8(oracle(subject.packed, camera(subject.cloud, view_name)))
    ratio = psnr_db(image, picture_of(name, view_name))
    print(f"{name}, {view_name}: packed against unpacked {ratio:.2f} dB")
    assert ratio >= PACKED_DB


@pytest.fixture(scope="module")
def small(cloud: Gaussians) -> Subject:
    """The cloud of 700 splats, for what needs no real scene."""
    return Subject(cloud, unpack(pack(cloud)), *in_memory(cloud))


def around(subject: Subject) -> View:
    """Not square, and of a width whose rows need padding when they are read back."""
    view = View.look_at((1.0, -1.5, -3.5), (0.0, 0.0, 0.0), (0.0, -1.0, 0.0), 50, 301, 203)
    return replace(view, fx=view.fx * 1.2, cx=120.0)


def test_background_shows_through(adapter: Any, small: Subject) -> None:
    """Display-referred, behind what is not covered."""
    view, background = around(small), (0.2, 0.5, 0.9)
    image = render(small.scene, small.load, view, background)
    assert psnr_db(image, to_uint8(oracle(small.packed, view, background))) >= NATIVE_DB


def test_mip_filter(adapter: Any, small: Subject) -> None:
    """A scene that says so is dilated by 0.1 px² and its opacity compensated."""
    cloud = replace(small.cloud, antialiased=True)
    scene, load = in_memory(cloud)
    assert scene.antialiased
    view = around(small)
    expected = to_uint8(oracle(unpack(pack(cloud)), view))
    assert psnr_db(render(scene, load, view), expected) >= NATIVE_DB
    assert psnr_db(to_uint8(oracle(small.packed, view)), expected) < NATIVE_DB, "no difference"


def test_an_empty_scene_is_the_background(adapter: Any, small: Subject) -> None:
    """No survivors: indirect draws of nothing."""
    scene, load = in_memory(small.cloud.take(np.zeros(0, np.int64)))
    image = render(scene, load, around(small), (1.0, 0.5, 0.0))
    assert (image == (255, 128, 0)).all()


def test_looking_away_is_the_background(adapter: Any, small: Subject) -> None:
    """All chunks culled: indirect arguments of zero."""
    view = View.look_at((0.0, 0.0, -5.0), (0.0, 0.0, -9.0), (0.0, -1.0, 0.0), 50, 64, 64)
    assert not render(small.scene, small.load, view).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (517, 3)])
def test_odd_sizes(adapter: Any, small: Subject, size: tuple[int, int]) -> None:
    """Down to a single pixel."""
    view = around(small).scaled(*size)
    expected = to_uint8(oracle(small.packed, view))
    assert psnr_db(render(small.scene, small.load, view), expected) >= NATIVE_DB


def test_a_splat_in_front_hides_the_one_behind(adapter: Any) -> None:
    """Depth by the camera's axis, not by the distance, and whatever the order in the file."""
    for flipped in (False, True):
        depths = [3.0, 2.0] if not flipped else [2.0, 3.0]
        red_blue = [(1, 0, 0), (0, 0, 1)] if not flipped else [(0, 0, 1), (1, 0, 0)]
        cloud = Gaussians(
            np.array([(0, 0, z) for z in depths], np.float32),
            np.full((2, 3), -1.5, np.float32),
            np.array([(1, 0, 0, 0)] * 2, np.float32),
            np.full(2, np.inf, np.float32),
            ((np.array(red_blue, np.float32) - 0.5) / 0.28209479)[:, None, :].astype(np.float32),
        )
        identity = tuple(np.eye(4).ravel().tolist())
        scene, load = in_memory(cloud)
        image = render(scene, load, View(65, 65, 40.0, 40.0, 32.5, 32.5, identity))
        assert depths[0] > NEAR
        assert image[32, 32].tolist() == pytest.approx([3, 0, 252], abs=1)
