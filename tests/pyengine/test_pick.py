"""Picking natively, against the oracle's walk over the splats of a pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pybuild.composing import Part, compose
from pybuild.gaussians import Gaussians
from pybuild.networks import Network
from pybuild.pack import pack, unpack
from pybuild.picking import coverage_at, pick
from pybuild.reference import Ellipsoids
from pybuild.render import Renderer, in_memory
from pyengine.hosts.null import NullHost
from pyengine.passes.pick import AT, FOUND, NOTHING, PICK, POINTS, PROBE, Picked, pick_plan
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.scene_plan import scene_plan
from pyengine.view import WORLD_UP, View
from tests.pyengine.generators import gaussians, generator
from tests.pyengine.plans import THREE_PASSES, TWO_PASSES, scene_of

KEY_SHARE = 1e-3
"""A key of 16 bits over the depths of a cloud says a depth that exactly, with room to spare."""
CLOSE_CALL = 0.02
"""Coverage so near to half that half floats may decide: not asked for."""


def wall(depths: tuple[float, ...], opacity: float, side: int = 24) -> Gaussians:
    """Sheets of overlapping splats across the axis, each at its depth from (0, 0, 0)."""
    across = np.linspace(-1.5, 1.5, side)
    x, y = (part.ravel() for part in np.meshgrid(across, across))
    positions = np.concatenate([np.stack([x, y, np.full_like(x, z)], 1) for z in depths])
    n = len(positions)
    sigma = np.log(across[1] - across[0])
    logit = np.log(opacity / (1 - opacity))
    return Gaussians(
        positions.astype(np.float32),
        np.full((n, 3), [sigma, sigma, sigma - 4], np.float32),
        np.tile(np.float32([1, 0, 0, 0]), (n, 1)),
        np.full(n, logit, np.float32),
        np.zeros((n, 1, 3), np.float32),
    )


def front(width: int = 90, height: int = 70) -> View:
    """From the origin along z."""
    identity = tuple(np.eye(4).ravel().tolist())
    return View(width, height, 60.0, 60.0, width / 2, height / 2, identity)


@pytest.mark.parametrize("count", [TWO_PASSES, THREE_PASSES])
def test_the_plan_that_picks_shares_what_the_one_that_draws_has(count: int) -> None:
    """Nothing of it is in a frame: the plan that draws is as it was, by names, sizes and steps."""
    scene, adapter = scene_of(count), Adapter(DEFAULT_LIMITS)
    plan = scene_plan(scene, adapter)
    picking = pick_plan(plan, scene)
    NullHost().build(picking)
    own = {b.name: b.size_bytes for b in picking.buffers if b not in plan.buffers}
    each = {AT: 16, "pick.shares": scene.chunk_count * 4, FOUND: 4}
    assert own == {name: POINTS * size for name, size in each.items()}
    assert picking.count_dispatches(PICK) == picking.count_dispatches(PROBE) == 3
    assert "pick" not in repr(plan)
    assert not picking.textures
    assert not picking.render


@pytest.mark.gpu
@pytest.mark.parametrize("antialiased", [False, True])
def test_every_pixel_against_the_oracle(adapter: Any, cloud: Gaussians, antialiased: bool) -> None:
    """Of a cloud in which some pixels are open and some covered by many."""
    cloud = replace(cloud, antialiased=antialiased, log_scales=cloud.log_scales + np.float32(1))
    view = View.look_at((0.5, -0.5, -4), (0, 0, 0), WORLD_UP, 45, 101, 67)
    packed = unpack(pack(cloud))
    found = asked = 0
    with Renderer(*in_memory(cloud), view.width, view.height) as renderer:
        renderer.draw(view)
        for x, y in [(x, y) for x in range(0, 101, 11) for y in range(0, 67, 11)]:
            alphas = coverage_at(packed, view, x, y)[2]
            if (np.abs(np.cumprod(1 - alphas) - 0.5) < CLOSE_CALL).any():
                continue
            hit = renderer.pick((x + 0.3) / 101, (y + 0.8) / 67)
            wanted = pick(packed, view, x, y)
            asked += 1
            assert (hit is None) == (wanted is None), (x, y)
            if hit is None or wanted is None:
                continue
            found += 1
            assert hit.depth == pytest.approx(wanted[1], rel=KEY_SHARE)
            assert hit.position == pytest.approx(wanted[2], abs=4 * KEY_SHARE)
            away = np.subtract(hit.position, view.position)
            assert hit.distance == pytest.approx(float(np.linalg.norm(away)), rel=1e-6)
    assert asked - 5 > found > 5, "the cloud neither covers all nor nothing"


@pytest.mark.gpu
@pytest.mark.parametrize("count", [1, POINTS - 1, POINTS])
def test_many_at_once_are_what_each_is_alone(adapter: Any, cloud: Gaussians, count: int) -> None:
    """Places of a cloud of several blocks; where there is none to look at, nothing is written."""
    cloud = replace(cloud, log_scales=cloud.log_scales + np.float32(1))
    view = View.look_at((0.5, -0.5, -4), (0, 0, 0), WORLD_UP, 45, 101, 67)
    places = np.random.default_rng(8).uniform(0.2, 0.8, (count, 2))
    at = np.full((POINTS, 4), -1, np.float32)
    at[:count, :2] = places
    with Renderer(*in_memory(cloud), view.width, view.height) as renderer:
        renderer.draw(view)
        alone = []
        for x, y in places:
            renderer.pick(x, y)
            alone.append(words(renderer)[0])
        picking = renderer._picking
        assert picking is not None
        before = words(renderer)
        picking.write(AT, at.tobytes())
        picking.run(PROBE)
        assert words(renderer) == [*alone, *before[count:]]
    assert count == 1 or len(set(alone)) > 3


def words(renderer: Renderer) -> list[int]:
    """What was found at each place."""
    assert renderer._picking is not None
    return list(renderer._picking.read(FOUND).cast("I"))


@pytest.mark.gpu
def test_behind_glass(adapter: Any) -> None:
    """A sheet that covers less than half is passed through, however near; alone it is nothing."""
    cloud = wall((2.0,), 0.1)
    solid = wall((4.0,), 0.97)
    with Renderer(*in_memory(cloud), 90, 70) as renderer:
        renderer.draw(front())
        assert renderer.pick(0.5, 0.5) is None
    both = Gaussians(
        *(
            np.concatenate([getattr(part, name) for part in (solid, cloud)])
            for name in ("positions", "log_scales", "quaternions", "opacity_logits", "sh")
        )
    )
    with Renderer(*in_memory(both), 90, 70) as renderer:
        renderer.draw(front())
        hit = renderer.pick(0.5, 0.5)
        assert hit is not None
        assert hit.depth == pytest.approx(4.0, rel=0.01)
        corner = renderer.pick(1.0, 1.0)
        assert corner is None or corner.depth == pytest.approx(4.0, rel=0.01)


@pytest.mark.gpu
def test_whose_splat_it_is(adapter: Any) -> None:
    """Two objects, of which the second was moved aside; the one behind shows beside the other."""
    near, far = wall((2.0,), 0.97), wall((4.0,), 0.97)
    parts = [Part("far", "f.ply", far), Part("near", "n.ply", near)]
    made = compose(parts)
    with Renderer(made.scene, made.buffers.__getitem__, 90, 70) as renderer:
        assert renderer.engine.objects is not None
        renderer.engine.objects.set("near", {"position": [-1.6, 0, 0]})
        renderer.draw(front())
        left, right = renderer.pick(0.3, 0.5), renderer.pick(0.7, 0.5)
    assert left is not None
    assert right is not None
    assert (left.object, right.object) == (1, 0)
    assert (left.depth, right.depth) == pytest.approx((2.0, 4.0), rel=0.01)


@pytest.mark.gpu
def test_in_what_a_network_made(adapter: Any) -> None:
    """Rows of a generator whose count rules; in the mode `depth` the same is found."""
    made = generator(400, counted=True)
    packed, shade = gaussians(400)
    packed[:, 3] = 1
    packed[:, 4:] *= 4
    network = Network(made.compiled.program, made.compiled.files)
    view = View.look_at((0, 0, -4), (0, 0, 0), WORLD_UP, 45, 61, 61)
    live = 300
    cloud = Ellipsoids.of_packed(packed[:live], shade[:live])
    found: dict[str, list[Picked | None]] = {"": [], "depth": []}
    for mode, hits in found.items():
        with Renderer(made.scene, lambda _: b"", 61, 61, network, mode=mode) as renderer:
            for name, values in (("packed", packed), ("shade", shade), ("count", [live])):
                renderer.set_input(name, values)
            renderer.draw(view)
            hits += [renderer.pick((x + 0.5) / 61, 0.5) for x in range(10, 61, 10)]
    assert found[""] == found["depth"]
    assert any(found[""])
    for x, hit in zip(range(10, 61, 10), found[""], strict=True):
        passed = np.cumprod(1 - coverage_at(cloud, view, x, 30)[2])
        if (np.abs(passed - 0.5) < CLOSE_CALL).any():
            continue
        wanted = pick(cloud, view, x, 30)
        assert (hit is None) == (wanted is None)
        if hit is not None and wanted is not None:
            assert hit.depth == pytest.approx(wanted[1], rel=KEY_SHARE)


@pytest.mark.gpu
@pytest.mark.parametrize("count", [0, 1, 255, 256, 257])
def test_at_the_edges_of_a_block(adapter: Any, count: int) -> None:
    """Faint splats on one ray, and behind them one that decides: the last of the order."""
    depths = np.linspace(1, 2, max(count, 1))[:count]
    cloud = Gaussians(
        np.stack([0 * depths, 0 * depths, depths], 1).astype(np.float32),
        np.full((count, 3), -3.0, np.float32),
        np.tile(np.float32([1, 0, 0, 0]), (count, 1)),
        np.full(count, np.log(0.004 / 0.996), np.float32),
        np.zeros((count, 1, 3), np.float32),
    )
    if count:
        cloud.opacity_logits[-1] = 4.0
    with Renderer(*in_memory(cloud), 91, 71) as renderer:
        renderer.draw(replace(front(91, 71), cx=45.5, cy=35.5))
        hit = renderer.pick(0.5, 0.5)
        word = int(renderer._picking.read(FOUND).cast("I")[0])  # type: ignore[union-attr]
    if not count:
        assert hit is None
        assert word == NOTHING
        return
    assert hit is not None
    assert hit.depth == pytest.approx(depths[-1], rel=KEY_SHARE)
