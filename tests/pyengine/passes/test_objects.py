"""Scenes of several objects, on the native host, against the oracle; one sort over all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.composing import Composed, Part, compose, ellipsoids
from pybuild.gaussians import Gaussians
from pybuild.pack import unpack
from pybuild.reference import render as oracle
from pybuild.reference import to_uint8
from pybuild.render import Renderer, in_memory
from pyengine.bundle import OBJECTS, Scene
from pyengine.hosts.native import NativeHost
from pyengine.hosts.null import NullHost
from pyengine.object_spec import UNMOVED, Placement
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.scene_plan import FRAME, scene_plan
from pyengine.shaders import assemble
from pyengine.view import WORLD_UP, View
from tests.pyengine.scenes import psnr_db

pytestmark = pytest.mark.gpu

ORACLE_DB = 45.0
"""Half floats, bits of depth and an 8-bit canvas together, as in test_render.py."""
VIEW = View.look_at((1.6, -1.4, -4.6), (0.0, 0.0, 0.0), WORLD_UP, 50, 160, 112)
TURNED = (0.1, 0.7, -0.2, 0.67)
"""No axis of it is the world's."""


def blob(n: int, degree: int, seed: int, at: Sequence[float] = (0, 0, 0)) -> Gaussians:
    """Coloured needles within a box of 2 x 1.4 x 1.2 around a point."""
    random = np.random.default_rng(seed)
    quaternions = random.normal(size=(n, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    sh = random.normal(size=(n, (degree + 1) ** 2, 3)) * 0.3
    sh[:, 0] = random.uniform(-1.2, 1.6, (n, 3))
    arrays = (
        random.uniform(-1, 1, (n, 3)) * [1.0, 0.7, 0.6] + at,
        random.uniform(-5, -2.3, (n, 3)),
        quaternions,
        random.uniform(-1, 5, n),
        sh,
    )
    return Gaussians(*(array.astype(np.float32) for array in arrays))


def scene_of(*parts: tuple[Gaussians, Placement], names: str = "abcdefgh") -> Composed:
    """Objects a, b, ..."""
    return compose(
        [
            Part(name, f"{name}.ply", cloud, placement)
            for name, (cloud, placement) in zip(names, parts, strict=False)
        ]
    )


@contextmanager
def shown(made: Composed, adapter: Any) -> Iterator[Renderer]:
    """The scene on the adapter, its plan checked."""
    with Renderer(made.scene, made.load, VIEW.width, VIEW.height, None, adapter) as renderer:
        NullHost(NativeHost.describe(adapter).limits).build(renderer.plan)
        yield renderer


def expected(made: Composed, placements: Sequence[Placement]) -> NDArray[Any]:
    """The oracle's picture of the objects placed otherwise."""
    clouds = [unpack(packed) for packed in made.packed]
    return to_uint8(oracle(ellipsoids(clouds, placements), VIEW))


def near(image: NDArray[Any], wanted: NDArray[Any]) -> None:
    """The same picture, and not of nothing."""
    assert wanted.max() > 100
    assert psnr_db(image, wanted) >= ORACLE_DB


PLACEMENTS = {
    "moved": Placement(position=(0.7, -0.3, 1.1)),
    "turned": Placement(rotation=TURNED).changed({"rotation": TURNED}, ""),
    "large": Placement(scale=(1.6, 1.6, 1.6)),
    "stretched": Placement(rotation=UNMOVED.rotation, scale=(1.7, 0.5, 1.1)),
    "faint": Placement(opacity=0.35),
    "tinted": Placement(tint=(0.2, 1.5, 0.8)),
    "all": UNMOVED.changed(
        {
            "position": [0.4, 0.2, -0.5],
            "rotation": TURNED,
            "scale": [0.6, 1.3, 0.9],
            "opacity": 0.7,
            "tint": [1.3, 0.6, 1],
        },
        "",
    ),
}


@pytest.mark.parametrize("degree", [0, 3])
@pytest.mark.parametrize("name", PLACEMENTS)
def test_one_object(adapter: Any, name: str, degree: int) -> None:
    """Moved, turned, scaled, stretched, faint and tinted as the oracle says; and not as it was."""
    made = scene_of((blob(600, degree, 1), PLACEMENTS[name]))
    with shown(made, adapter) as renderer:
        image = renderer.draw(VIEW)
        near(image, to_uint8(oracle(made.ellipsoids(), VIEW)))
        renderer.engine.objects.set("a", UNMOVED.to_dict())  # type: ignore[union-attr]
        assert psnr_db(renderer.draw(VIEW), image) < ORACLE_DB, "the placement does nothing"


def test_an_object_that_stays_where_it_is_is_the_scene_of_its_file(adapter: Any) -> None:
    """Byte for byte but for the last bit of a matrix product."""
    cloud = blob(900, 2, 2)
    made = scene_of((cloud, UNMOVED))
    scene, load = in_memory(cloud)
    with shown(made, adapter) as renderer:
        image = renderer.draw(VIEW)
    with Renderer(scene, load, VIEW.width, VIEW.height, None, adapter) as renderer:
        assert np.abs(image.astype(int) - renderer.draw(VIEW)).max() <= 1


def test_objects_of_unlike_degrees_interleaved_in_depth(adapter: Any) -> None:
    """Through each other: right only where one sort takes both. Each has the SH of its own file."""
    clouds = [blob(700, 0, 3), blob(300, 3, 4), blob(520, 1, 5)]
    spots = [UNMOVED, PLACEMENTS["all"], Placement(position=(-0.3, 0.1, 0.2))]
    made = scene_of(*zip(clouds, spots, strict=True))
    assert made.scene.buffers["sh"].size_bytes == (2 * 256 * 12 + 3 * 256 * 3) * 4
    with shown(made, adapter) as renderer:
        image = renderer.draw(VIEW)
        near(image, expected(made, spots))
    one_after_the_other = np.zeros(image.shape)
    for cloud, spot in zip(clouds, spots, strict=True):
        picture = oracle(ellipsoids([cloud], [spot]), VIEW)
        one_after_the_other = np.maximum(one_after_the_other, picture)
    assert psnr_db(image, to_uint8(one_after_the_other)) < 30, "nothing overlaps"


def test_objects_trained_with_the_mip_filter_and_without(adapter: Any) -> None:
    """Each is drawn as it was trained, until the look asks for the mip filter for all."""
    small = replace(blob(900, 1, 31), log_scales=np.full((900, 3), -5.5, np.float32))
    spots = [Placement(position=(-0.6, 0, 0)), Placement(position=(0.6, 0.1, 0.2))]
    clouds = [small, replace(small, antialiased=True)]
    made = scene_of(*zip(clouds, spots, strict=True))
    with shown(made, adapter) as renderer:
        image = renderer.draw(VIEW)
        near(image, expected(made, spots))
        renderer.engine.antialiased = True
        filtered = renderer.draw(VIEW)
    for kind in (False, True):
        alike = [replace(cloud, antialiased=kind) for cloud in clouds]
        other = to_uint8(oracle(ellipsoids(alike, spots), VIEW))
        assert psnr_db(image, other) < 30
        assert (psnr_db(filtered, other) >= ORACLE_DB) == kind


def test_copies_of_one_file(adapter: Any) -> None:
    """Stored once, drawn where each of them stands, with the SH of the file."""
    cloud, other = blob(400, 2, 19), blob(300, 1, 20)
    spots = [UNMOVED, PLACEMENTS["all"], Placement(position=(0.9, 0, 0.4)), PLACEMENTS["turned"]]
    clouds = [cloud, other, cloud, other]
    made = scene_of(*zip(clouds, spots, strict=True))
    assert len(made.buffers["geometry"]) == 4 * 256 * 16
    with shown(made, adapter) as renderer:
        near(renderer.draw(VIEW), expected(made, spots))


def test_hidden_and_shown_again(adapter: Any) -> None:
    """All chunks of a hidden object are dead; nothing visible at all is the background."""
    clouds = [blob(700, 1, 6), blob(300, 0, 7)]
    made = scene_of(*((cloud, UNMOVED) for cloud in clouds))
    with shown(made, adapter) as renderer:
        objects = renderer.engine.objects
        assert objects is not None
        both = renderer.draw(VIEW)
        objects.set("a", {"visible": False})
        near(renderer.draw(VIEW), expected(made, [replace(UNMOVED, visible=False), UNMOVED]))
        assert renderer.read("chunk_live", np.uint32).tolist() == [0, 0, 0, 1, 1]
        objects.set("b", {"opacity": 0})
        assert not renderer.draw(VIEW).any()
        objects.set("a", {"visible": True})
        objects.set("b", {"opacity": 1})
        assert np.array_equal(renderer.draw(VIEW), both)


def test_moving_rebuilds_nothing_and_writes_once(adapter: Any) -> None:
    """The objects' buffer is uploaded in the frame after a change, and in no other."""
    made = scene_of((blob(300, 0, 8), UNMOVED), (blob(300, 0, 9), UNMOVED))
    with shown(made, adapter) as renderer:
        written: list[str] = []
        write = renderer.host.write

        def noted(buffer: str, data: bytearray, offset_bytes: int = 0) -> None:
            written.append(buffer)
            write(buffer, data, offset_bytes)

        renderer.engine._host = type(
            "Noted", (), {"write": staticmethod(noted), "run": staticmethod(renderer.host.run)}
        )()
        renderer.draw(VIEW)
        renderer.draw(replace(VIEW, cx=81.0))
        assert not renderer.engine.draw(replace(VIEW, cx=81.0)), "nothing changed"
        renderer.engine.objects.set("b", {"position": [0.5, 0, 0]})  # type: ignore[union-attr]
        renderer.engine.objects.set("b", {"position": [0.5, 0, 0]})  # type: ignore[union-attr]
        renderer.draw(replace(VIEW, cx=81.0))
        assert not renderer.engine.draw(replace(VIEW, cx=81.0))
    assert written == ["frame", OBJECTS, "frame", "frame", OBJECTS]


@pytest.mark.parametrize("distance", [0.0, 8.0])
def test_far_beyond_the_box_of_the_build(adapter: Any, distance: float) -> None:
    """Depths follow where the objects are now: behind each other, far from where they began."""
    clouds = [blob(400, 0, 10), blob(400, 0, 11)]
    made = scene_of(*((cloud, UNMOVED) for cloud in clouds))
    away = np.array(VIEW.position) * -distance / np.linalg.norm(VIEW.position)
    spots = [
        Placement(position=tuple(away), scale=(2.0,) * 3),  # type: ignore[arg-type]
        Placement(position=tuple(away * 1.1), scale=(2.0,) * 3),  # type: ignore[arg-type]
    ]
    with shown(made, adapter) as renderer:
        for name, spot in zip("ab", spots, strict=True):
            renderer.engine.objects.set(name, spot.to_dict())  # type: ignore[union-attr]
        near(renderer.draw(VIEW), expected(made, spots))


def test_no_chunk_that_shows_is_culled(adapter: Any) -> None:
    """All around two stretched objects, from a camera between them."""
    clouds = [blob(1500, 0, 12), blob(1500, 0, 13)]
    spots = [
        Placement(
            position=(3.0, 0.2, 0.1), rotation=PLACEMENTS["turned"].rotation, scale=(2, 0.4, 1)
        ),
        Placement(position=(-2.5, 0.0, 0.5), scale=(0.3, 1.5, 2.5)),
    ]
    made = scene_of(*zip(clouds, spots, strict=True))
    seen = made.ellipsoids()
    with shown(made, adapter) as renderer:
        culled = 0
        for degrees in range(0, 360, 45):
            angle = math.radians(degrees)
            target = (math.sin(angle), 0.1, math.cos(angle))
            view = View.look_at((0, 0, 0), target, WORLD_UP, 50, VIEW.width, VIEW.height)
            assert psnr_db(renderer.draw(view), to_uint8(oracle(seen, view))) >= ORACLE_DB, degrees
            culled += int((renderer.read("chunk_live", np.uint32) == 0).sum())
        assert culled > 20, "nothing is culled"


def test_a_chunk_beyond_the_edge_whose_splats_reach_in(adapter: Any) -> None:
    """The object's scale is reckoned with, along each axis."""
    cloud = blob(100, 0, 23)
    cloud.positions[:] *= 0.05
    cloud.log_scales[:] = np.log(0.1)
    view = View.look_at((0, 0, -5), (0, 0, 0), WORLD_UP, 50, VIEW.width, VIEW.height)
    for scale in ((6.0, 6.0, 6.0), (6.0, 1.0, 1.0)):
        made = scene_of((cloud, Placement(position=(4.2, 0.0, 0.0), scale=scale)))
        with shown(made, adapter) as renderer:
            image, wanted = renderer.draw(view), to_uint8(oracle(made.ellipsoids(), view))
            assert wanted.max() > 100
            assert psnr_db(image, wanted) >= ORACLE_DB


def test_sizes_that_the_frame_asks_for(adapter: Any) -> None:
    """Every sigma times a number; no more bands than wanted."""
    made = scene_of((blob(500, 3, 14), PLACEMENTS["all"]))
    with shown(made, adapter) as renderer:
        renderer.engine.splat_scale, renderer.engine.sh_degree = 0.5, 1
        seen = made.ellipsoids()
        smaller = replace(seen, covariances=seen.covariances * 0.25)
        near(renderer.draw(VIEW), to_uint8(oracle(smaller, VIEW, sh_degree=1)))


def test_as_many_dispatches_as_a_scene_of_one_file() -> None:
    """And a scene of one file has not a trace of objects in its plan."""
    clouds = [blob(300, 1, 15), blob(300, 0, 16)]
    adapter = Adapter(DEFAULT_LIMITS)
    plan = scene_plan(scene_of(*((cloud, UNMOVED) for cloud in clouds)).scene, adapter)
    alone, _ = in_memory(clouds[0])
    single = scene_plan(alone, adapter)
    assert plan.count_dispatches(FRAME) == single.count_dispatches(FRAME)
    assert OBJECTS not in {buffer.name for buffer in single.buffers}
    assert not any("SceneObject" in text for text in single.shaders.values())
    constants = {"CHUNK_SIZE": 256, "SH_DEGREE": 1, "SH_WORDS": 3}
    assert single.shaders["project"] == assemble("project/project.wgsl", constants)
    assert "objects" not in alone.to_json()
    again = scene_plan(Scene.from_json(alone.to_json()), adapter)
    assert again.to_dict() == single.to_dict()


def test_an_empty_object_beside_another(adapter: Any) -> None:
    """It has a chunk of transparent rows."""
    clouds = [blob(0, 0, 17), blob(300, 1, 18)]
    made = scene_of(*((cloud, UNMOVED) for cloud in clouds))
    with shown(made, adapter) as renderer:
        near(renderer.draw(VIEW), expected(made, [UNMOVED, UNMOVED]))
