"""A generator among the objects of a scene: one sort over its Gaussians and those of files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.composing import Composed, GeneratorPart, Part, compose, ellipsoids
from pybuild.gaussians import Gaussians
from pybuild.networks import Network
from pybuild.pack import unpack
from pybuild.reference import Ellipsoids, to_uint8
from pybuild.reference import render as oracle
from pybuild.render import Renderer
from pyengine.camera_inputs import Space, camera_values
from pyengine.feeds import FeedSpec
from pyengine.generator import GENERATE
from pyengine.hosts.native import NativeHost
from pyengine.hosts.null import NullHost
from pyengine.object_spec import UNMOVED, Placement
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.scene_plan import FRAME, scene_plan
from pyengine.structs import SortState
from tests.pyengine.generators import Array, Made, gaussians, generator
from tests.pyengine.passes.test_objects import ORACLE_DB, PLACEMENTS, VIEW, blob, near
from tests.pyengine.scenes import psnr_db

pytestmark = pytest.mark.gpu

N = 300
"""Two chunks, the second one not full."""
TURN = (0.8, 0.0, -0.6, 0.0, 0.0, 1.0, 0.0, 0.0, 0.6, 0.0, 0.8, 0.0, 0.3, -0.2, 0.1, 1.0)


def beside(made: Made, *clouds: Gaussians, spot: Placement = UNMOVED) -> Composed:
    """Objects a, b, ... of clouds, and the generator as g."""
    parts = [Part(name, f"{name}.ply", c) for name, c in zip("abc", clouds, strict=False)]
    return compose(parts, GeneratorPart("g", "g.onnx", made.scene, spot))


@contextmanager
def shown(made: Made, composed: Composed, adapter: Any) -> Iterator[Renderer]:
    """The scene on the adapter."""
    network = Network(made.compiled.program, made.compiled.files)
    size = VIEW.width, VIEW.height
    with Renderer(composed.scene, composed.load, *size, network, adapter) as renderer:
        NullHost(NativeHost.describe(adapter).limits).build(renderer.plan)
        yield renderer


def give(renderer: Renderer, packed: Array, shade: Array, count: Sequence[int] = ()) -> None:
    """Rows for the network to pass on."""
    renderer.engine.set_input("packed", packed.tobytes())
    renderer.engine.set_input("shade", shade.tobytes())
    if count:
        renderer.engine.set_input("count", list(count))


def rows_of(
    made: Made, packed: Array, shade: Array, spot: Placement, counts: Sequence[int] = ()
) -> Ellipsoids:
    """The generator's Gaussians where its object stands."""
    spec, parts = made.spec, []
    if shade.shape[1] > 3:
        shade = shade.reshape(len(shade), -1, 3)
    for index, matrix in enumerate(spec.transforms):
        start = index * spec.capacity
        live = max(0, min(counts[index], spec.capacity)) if counts else spec.capacity
        part = Ellipsoids.of_packed(packed[start : start + live], shade[start : start + live])
        inner, outer = (np.reshape(m, (4, 4)).T for m in (matrix, spot.to_world))
        parts.append(part.moved(outer @ inner))
    return Ellipsoids.joined(parts).dyed(spot.opacity, spot.tint)


def picture(composed: Composed, *others: Ellipsoids) -> NDArray[Any]:
    """The oracle's, of what the files brought and of others."""
    clouds = [unpack(packed) for packed in composed.packed]
    own = [ellipsoids(clouds, [UNMOVED] * len(clouds))] if clouds else []
    return to_uint8(oracle(Ellipsoids.joined([*own, *others]), VIEW))


@pytest.mark.parametrize("degrees", [(0, None), (3, 1), (0, 2), (1, None)], ids=str)
def test_a_cloud_and_a_generator_through_each_other(
    adapter: Any, degrees: tuple[int, int | None]
) -> None:
    """Colours or SH on either side, of unlike degrees; the generator moved, turned, stretched."""
    cloud_degree, degree = degrees
    made = generator(N, sh_degree=degree)
    packed, shade = gaussians(N, 3 if degree is None else 3 * (degree + 1) ** 2)
    spot = PLACEMENTS["all"]
    composed = beside(made, blob(500, cloud_degree, 1), spot=spot)
    with shown(made, composed, adapter) as renderer:
        give(renderer, packed, shade)
        image = renderer.draw(VIEW)
        near(image, picture(composed, rows_of(made, packed, shade, spot)))
        unmoved = picture(composed, rows_of(made, packed, shade, UNMOVED))
        assert psnr_db(image, unmoved) < ORACLE_DB, "the placement does nothing"


def test_a_generator_alone_as_an_object(adapter: Any) -> None:
    """With instances, each in its place within the object."""
    made = generator(N, 2, sh_degree=1, transforms=(TURN, generator(1).spec.transforms[0]))
    packed, shade = gaussians(2 * N, 12)
    spot = PLACEMENTS["all"]
    composed = beside(made, spot=spot)
    assert not composed.buffers
    with shown(made, composed, adapter) as renderer:
        give(renderer, packed, shade)
        near(renderer.draw(VIEW), picture(composed, rows_of(made, packed, shade, spot)))


def test_counts_rule_its_part_of_the_sort(adapter: Any) -> None:
    """What is behind the live rows is dead, also when there were more in the frame before."""
    made = generator(700, 2, counted=True)
    packed, shade = gaussians(1400, seed=4)
    composed = beside(made, blob(300, 1, 2))
    with shown(made, composed, adapter) as renderer:
        for counts in ([700, 700], [300, 1], [0, 0], [-5, 9000], [0, 257]):
            give(renderer, packed, shade, counts)
            image = renderer.draw(VIEW)
            wanted = picture(composed, rows_of(made, packed, shade, UNMOVED, counts))
            assert psnr_db(image, wanted) >= ORACLE_DB, counts
            live = [-(-max(0, min(count, 700)) // 256) for count in counts]
            assert renderer.read("chunk_live", np.uint32)[2:].sum() == sum(live)
        keys = int(SortState.unpack(bytes(renderer.host.read("sort_state")), "key_count")[0])
        assert 0 < keys <= 300 + 257


def test_a_hidden_generator_does_not_run(adapter: Any) -> None:
    """Not at first, not when its inputs change; it does when it is shown."""
    made = generator(N)
    packed, shade = gaussians(N)
    composed = beside(made, blob(300, 0, 3), spot=replace(UNMOVED, visible=False))
    with shown(made, composed, adapter) as renderer:
        ran: list[str] = []
        run = renderer.host.run
        renderer.host.run = lambda name: (ran.append(name), run(name))[1]  # type: ignore[method-assign]
        near(renderer.draw(VIEW), picture(composed))
        give(renderer, packed, shade)
        assert not renderer.engine.draw(VIEW)
        renderer.engine.objects.set("g", {"visible": True})  # type: ignore[union-attr]
        near(renderer.draw(VIEW), picture(composed, rows_of(made, packed, shade, UNMOVED)))
        renderer.engine.objects.set("g", {"position": [0.3, 0, 0]})  # type: ignore[union-attr]
        renderer.engine.draw(VIEW)
    assert ran == [FRAME, GENERATE, FRAME], "a move runs no network that does not see the camera"


def test_the_camera_is_told_in_the_objects_space() -> None:
    """What a network sees of the camera follows from where its object stands."""
    made = generator(4)
    feed = FeedSpec("eye", "camera.position", (3,), "float32")
    spec = replace(made.spec, feeds=(*made.spec.feeds, feed), transforms=(TURN,))
    from pyengine.generator import Generator
    from pyengine.timeline import Timeline

    inputs, spot = Generator(spec), PLACEMENTS["all"]
    inputs.place(Space(spot.to_world, spot.to_object))
    inputs.next(VIEW, Timeline(None))
    at = spec.layout()["eye"].offset_bytes
    got = np.frombuffer(bytes(inputs.input_bytes[at : at + 12]), np.float32)
    inner, outer = (np.reshape(m, (4, 4)).T for m in (TURN, spot.to_world))
    wanted = np.linalg.inv(outer @ inner) @ [*VIEW.position, 1]
    np.testing.assert_allclose(got, wanted[:3], rtol=1e-5)
    inputs.done(GENERATE)
    inputs.place(Space(UNMOVED.to_world, UNMOVED.to_object))
    assert inputs.next(VIEW, Timeline(None)) == GENERATE, "it sees the camera elsewhere now"
    assert camera_values("camera.position", VIEW) == list(VIEW.position)


@pytest.mark.parametrize("counted", [False, True])
def test_dispatches(counted: bool) -> None:
    """Those of a scene of one file, one more to project, and the network's own."""
    made, adapter = generator(N, counted=counted), Adapter(DEFAULT_LIMITS)
    composed = beside(made, blob(300, 1, 5), blob(300, 0, 6))
    network = Network(made.compiled.program, made.compiled.files)
    plan = scene_plan(composed.scene, adapter, network.program, network.shaders)
    NullHost().build(plan)
    alone, files = made.plan(adapter), compose([Part("a", "a.ply", blob(300, 1, 5))]).scene
    single = scene_plan(files, adapter).count_dispatches(FRAME)
    assert plan.count_dispatches(FRAME) == single + 1
    own = alone.count_dispatches(GENERATE) - alone.count_dispatches(FRAME)
    assert plan.count_dispatches(GENERATE) == single + 1 + own


def test_states_go_on_while_it_moves(adapter: Any) -> None:
    """A state's steps are those of the generator alone; moving the object does not repeat one."""
    made = generator(N, stateful=True)
    packed, shade = gaussians(N)
    composed = beside(made, blob(300, 0, 7))
    with shown(made, composed, adapter) as renderer:
        give(renderer, packed, shade)
        renderer.engine.set_input("drive", [0.1, 0, 0, 0])
        renderer.draw(VIEW, time_s=3 / 60)
        steps = renderer.engine.generator.steps  # type: ignore[union-attr]
        renderer.engine.objects.set("g", {"scale": 0.5})  # type: ignore[union-attr]
        image = renderer.draw(VIEW)
        assert renderer.engine.generator.steps == steps == 3  # type: ignore[union-attr]
        moved = packed.copy()
        moved[:, 0] += 0.1 * sum(0.5**k for k in range(steps))
        spot = replace(UNMOVED, scale=(0.5,) * 3)  # type: ignore[arg-type]
        near(image, picture(composed, rows_of(made, moved, shade, spot)))
        assert math.isclose(spot.scale[0], 0.5)
