"""Render modes natively, against the oracle; and that colours cost what they did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pybuild import modes
from pybuild.gaussians import Gaussians
from pybuild.pack import pack, unpack
from pybuild.reference import to_uint8
from pybuild.render import in_memory, render
from pyengine.errors import InputError
from pyengine.hosts.native import NativeHost
from pyengine.hosts.null import NullHost
from pyengine.passes.modes import MODES, MOST, checked_mode, half_depth, reach
from pyengine.scene_plan import FRAME, scene_plan
from pyengine.view import WORLD_UP, View
from tests.pyengine.plans import THREE_PASSES, TWO_PASSES, adapters, scene_of
from tests.pyengine.scenes import psnr_db
from tests.pyengine.test_pick import front, wall

MODE_DB = 35.0
"""Native against the oracle: packing, bits of depth, half floats, and rims of splats."""
STEP = 1.5 / 255
"""Of a colour."""
TILT = 0.35
"""How far the wall is turned about y, radians."""


@pytest.fixture(scope="module")
def view() -> View:
    """The cloud from the front."""
    return View.look_at((0.5, -0.5, -4), (0, 0, 0), WORLD_UP, 45, 101, 67)


def tilted() -> Gaussians:
    """A wall that is turned about y."""
    flat = wall((0.0,), 0.97, 48)
    c, s = np.cos(TILT), np.sin(TILT)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    half = np.array([np.cos(TILT / 2), 0, np.sin(TILT / 2), 0], np.float32)
    positions = (flat.positions @ turn.T + [0, 0, 3]).astype(np.float32)
    return replace(flat, positions=positions, quaternions=np.tile(half, (len(positions), 1)))


@pytest.mark.parametrize("count", [TWO_PASSES, THREE_PASSES])
@pytest.mark.parametrize("mode", MODES)
def test_colours_cost_what_they_did(mode: str, count: int) -> None:
    """A mode is a plan of its own, of as many dispatches, with one image more at the most."""
    for adapter in adapters()[::4]:
        scene = scene_of(count)
        colours = scene_plan(scene, adapter)
        plan = scene_plan(scene, adapter, mode=mode)
        NullHost().build(plan)
        assert "mode" not in repr(colours)
        assert "count_image" not in repr(colours)
        assert [b.name for b in colours.buffers] == [b.name for b in plan.buffers]
        assert (
            plan.count_dispatches(FRAME)
            == colours.count_dispatches(FRAME)
            == 16 + 7 + (3 * (count == THREE_PASSES))
        )
        assert [t.name for t in colours.textures] == ["image", "depth"]
        assert len(plan.textures) == 2 + (mode != "outlines")


def test_names() -> None:
    """Colours have three."""
    assert {checked_mode(name) for name in ("", "colour", "color")} == {""}
    assert checked_mode("depth") == "depth"
    with pytest.raises(InputError, match=r"^mode: wanted one of colour, depth, normals, .*'heat'$"):
        checked_mode("heat")


def test_the_maps_grow_lighter() -> None:
    """From black to white, and each step is lighter than the one before."""
    steps = np.linspace(0, 1, 40)
    for colours in (modes.cubehelix(steps), modes.heat(steps)):
        light = colours @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(light) > 0).all()
        np.testing.assert_allclose(light[[0, -1]], [0, 1], atol=1e-9)


@pytest.mark.gpu
def test_depth(adapter: Any, cloud: Gaussians, view: View) -> None:
    """Against the oracle, over a background; near ones are brighter than far ones."""
    scene, load = in_memory(cloud)
    background = (0.2, 0.4, 0.6)
    image = render(scene, load, view, background, mode="depth")
    wanted = modes.depth(unpack(pack(cloud)), view, half_depth(scene.pose), background)
    assert psnr_db(image, to_uint8(wanted)) >= MODE_DB
    brightness = []
    for z in (1.5, 6.0):
        sheet, load = in_memory(wall((z,), 0.97))
        sheet = replace(sheet, pose=scene.pose)
        middle = render(sheet, load, front(), mode="depth")[35, 45]
        truth = to_uint8(modes.of_depth(z, half_depth(scene.pose)))
        np.testing.assert_allclose(middle, truth, atol=3)
        brightness.append(int(middle.sum()))
    assert brightness[0] > brightness[1]


@pytest.mark.gpu
@pytest.mark.parametrize("floats", [True, False], ids=["whole floats", "half floats"])
def test_normals(adapter: Any, monkeypatch: pytest.MonkeyPatch, floats: bool) -> None:
    """Of a turned wall they are its own; beside it there is none. On GPUs that blend either."""
    offered = NativeHost.describe(adapter)
    if floats and not offered.float32_blendable:
        pytest.skip("this adapter blends no whole floats")
    described = replace(offered, software=False, subgroup_size=0, float32_blendable=floats)
    monkeypatch.setattr(NativeHost, "describe", lambda _adapter: described)
    made = tilted()
    image = render(*in_memory(made), front(), mode="normals").astype(int)
    wanted = np.array([-np.sin(TILT), 0, np.cos(TILT)]) * 0.5 + 0.5
    inside = image[10:60, 15:75].reshape(-1, 3)
    assert np.median(np.abs(inside - wanted * 255).max(axis=1)) < 6
    z, coverage = modes.expected_depth(unpack(pack(made)), front())
    oracle = to_uint8(modes.normals(z, coverage, front(), reach(described))).astype(int)
    assert np.median(np.abs(image - oracle).max(axis=2)) < 6
    assert (image[:, :2] == 0).all(), "beside the wall is the background"
    near, far = wall((2.0,), 0.97), wall((4.0,), 0.97)
    near = near.take(np.flatnonzero(near.positions[:, 0] < 0))
    names = ("positions", "log_scales", "quaternions", "opacity_logits", "sh")
    step = Gaussians(*(np.concatenate([getattr(c, name) for c in (near, far)]) for name in names))
    z, coverage = modes.expected_depth(unpack(pack(step)), front())
    oracle = to_uint8(modes.normals(z, coverage, front(), reach(described)))
    image = render(*in_memory(step), front(), mode="normals")
    assert psnr_db(image, oracle) >= MODE_DB, "an edge tilts what lies before it"


@pytest.mark.gpu
def test_outlines(adapter: Any, cloud: Gaussians, view: View) -> None:
    """Against the oracle; a single large splat is a ring of the constant width."""
    some = cloud.take(np.arange(40))
    background = (0.1, 0.1, 0.2)
    image = render(*in_memory(some), view, background, mode="outlines")
    wanted = to_uint8(modes.outlines(unpack(pack(some)), view, background))
    assert psnr_db(image, wanted) >= MODE_DB - 10, "rims are where adapters differ"
    assert psnr_db(image, to_uint8(np.full(image.shape, 0.1))) < 20
    one = replace(
        wall((3.0,), 0.9, 2).take(np.arange(1)),
        positions=np.float32([[0, 0, 3]]),
        log_scales=np.full((1, 3), -1, np.float32),
    )
    row = render(*in_memory(one), front(), mode="outlines")[35, :, 0].astype(float)
    lit = np.flatnonzero(row > 8)
    left, right = lit[lit < 45], lit[lit > 45]
    assert 1 <= len(left) <= 3
    assert 1 <= len(right) <= 3
    assert not row[44:47].any(), "its middle is open"


@pytest.mark.gpu
def test_overdraw(adapter: Any, cloud: Gaussians, view: View) -> None:
    """The very counts where nothing is opaque; between the oracle's two where something is."""
    faint = replace(cloud, opacity_logits=np.full(len(cloud.positions), -3, np.float32))
    image = render(*in_memory(faint), view, mode="overdraw")
    every, least = modes.overdraw(unpack(pack(faint)), view)
    assert every.max() > 5
    np.testing.assert_array_equal(every, least)
    near = np.abs(image - to_uint8(modes.heat_of(every)).astype(int)).max(axis=2) <= 1
    assert near.mean() > 0.98, "but for rims"
    sheets = wall(tuple(np.linspace(2, 5, 12)), 0.99)
    image = render(*in_memory(sheets), front(), mode="overdraw")
    every, least = modes.overdraw(unpack(pack(sheets)), front())
    table = to_uint8(modes.heat_of(np.arange(MOST + 1))).astype(int)
    found = np.abs(image[:, :, None] - table).sum(axis=3).argmin(axis=2)
    assert (found <= every + 1).mean() > 0.98
    assert (found >= least - 1).mean() > 0.98
    assert every.max() > 2 * found.max(), "opaque pixels were closed"
