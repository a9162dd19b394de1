"""Objects as they stand: their maps, their bytes, what is refused, and what is told of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pybuild.scene_file import read_scene_file
from pyengine.bundle import Pose, Scene
from pyengine.engine import Engine
from pyengine.errors import BundleError, InputError
from pyengine.hosts.null import NullHost
from pyengine.object_spec import UNMOVED, ObjectSpec, Placement, read_objects
from pyengine.objects import Objects
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.scene_plan import scene_plan
from pyengine.structs import SceneObject
from pyengine.view import WORLD_UP, View

PLACED = UNMOVED.changed(
    {"position": [1, -2, 3], "rotation": [0.1, 0.7, -0.2, 0.67], "scale": [0.5, 2, 1.25]}, ""
)
BOX = ((-1.0, -2.0, -0.5), (1.0, 1.0, 0.5))


def specs() -> tuple[ObjectSpec, ...]:
    """Two objects: of two chunks with SH of degree 1, and of one chunk with none."""
    return (
        ObjectSpec("table", "table.ply", 300, (0, 2), 0, 1, BOX),
        ObjectSpec("chair", "chair.spz", 9, (2, 1), 2, 0, BOX, PLACED, up="-y"),
    )


def scene() -> Scene:
    """Of both."""
    made = Scene(
        309, 1, False, BOX, Pose((0, 0, -5), (0, 0, 0), 50), (0, 0, 0), {}, None, (), specs()
    )
    return made


def test_what_is_not_as_the_scene_has_it_is_told_and_stood_by() -> None:
    """Of each object only what differs; elsewhere the same, and nothing else."""
    objects = Objects(specs())
    assert objects.moved() == {}
    objects.set("chair", {"scale": 2, "visible": False})
    objects.set("table", {"position": [0, 0, 0]})
    moved = objects.moved()
    assert moved == {"chair": {"scale": [2.0, 2.0, 2.0], "visible": False}}
    other = Objects(specs())
    other.set("table", {"opacity": 0.5})
    faults = other.arrange(moved | {"lamp": {"scale": 2}})
    assert other.placements == objects.placements
    assert other.object_bytes == objects.object_bytes
    assert faults == ["object 'lamp': there is none; there are: table, chair"]
    assert other.arrange({}) == []
    assert other.placements == [UNMOVED, PLACED]


def matrix(values: tuple[float, ...]) -> np.ndarray:
    """Of 16 numbers, column-major."""
    return np.reshape(values, (4, 4)).T


def test_maps_there_and_back() -> None:
    """Scaled, then turned, then moved."""
    there, back = matrix(PLACED.to_world), matrix(PLACED.to_object)
    np.testing.assert_allclose(there @ back, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(there[:3, 3], PLACED.position)
    linear = there[:3, :3]
    np.testing.assert_allclose(np.linalg.norm(linear, axis=0), PLACED.scale)
    assert np.linalg.det(linear) > 0
    x, y, z, w = PLACED.rotation
    axis = np.array([x, y, z]) / np.linalg.norm([x, y, z])
    turn = linear / PLACED.scale
    np.testing.assert_allclose(turn @ axis, axis, atol=1e-12)
    np.testing.assert_allclose(np.trace(turn), 1 + 2 * np.cos(2 * np.arccos(w)))


def test_the_box_in_the_world_holds_all_corners() -> None:
    """And touches them."""
    corners = np.array(
        [[BOX[i][0], BOX[j][1], BOX[k][2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    )
    moved = corners @ matrix(PLACED.to_world)[:3, :3].T + PLACED.position
    np.testing.assert_allclose(PLACED.box(BOX), [moved.min(axis=0), moved.max(axis=0)])


def test_bytes() -> None:
    """What the shader reads, in its struct's places."""
    objects = Objects(specs())
    objects.set("table", {"tint": [1, 2, 3], "opacity": 0.5})
    data, size = objects.object_bytes, SceneObject.size_bytes
    assert SceneObject.unpack(data, "tint") == (1, 2, 3, 0.5)
    np.testing.assert_allclose(SceneObject.unpack(data, "to_world", size), PLACED.to_world, 1e-6)
    np.testing.assert_allclose(SceneObject.unpack(data, "to_object", size), PLACED.to_object, 1e-6)
    fixed = (
        "first_row",
        "data_row",
        "sh_first",
        "sh_words",
        "sh_degree",
        "visible",
        "largest_scale",
    )
    assert [SceneObject.unpack(data, name)[0] for name in fixed] == [0, 0, 0, 3, 1, 1, 1]
    assert [SceneObject.unpack(data, name, size)[0] for name in fixed] == [
        512,
        512,
        1536,
        0,
        0,
        1,
        2,
    ]
    objects.set("chair", {"visible": False})
    assert SceneObject.unpack(data, "visible", size) == (0,)


def test_what_is_set_and_told() -> None:
    """What is not named stays; a quaternion becomes a unit one; nothing new is no change."""
    objects = Objects(specs())
    objects.changed = False
    objects.set("chair", {})
    objects.set("chair", {"scale": [0.5, 2, 1.25]})
    assert not objects.changed
    objects.set("chair", {"rotation": [0, 0, 3, 4], "scale": 2})
    assert objects.changed
    assert objects.get("chair") == replace(PLACED, rotation=(0, 0, 0.6, 0.8), scale=(2, 2, 2))
    told = objects.now()
    assert told[1]["rotation"] == [0, 0, 0.6, 0.8]
    assert (told[0]["name"], told[0]["count"]) == ("table", 300)


@pytest.mark.parametrize(
    ("name", "changes", "part"),
    [
        ("stool", {}, "object 'stool': there is none; there are: table, chair"),
        ("tabel", {}, "did you mean 'table'?"),
        ("chair", {"postion": [0, 0, 0]}, "did you mean 'position'?"),
        ("chair", [1], "wanted an object of position, rotation"),
        ("chair", {"position": [0, 0]}, "object 'chair': 'position' must be three numbers"),
        ("chair", {"position": [0, 0, True]}, "'position' must be"),
        ("chair", {"rotation": [0, 0, 0, float("nan")]}, "'rotation' must be a quaternion"),
        ("chair", {"scale": "2"}, "'scale' must be a number"),
        ("chair", {"visible": None}, "'visible' must be true or false"),
        ("chair", {"opacity": -0.1}, "'opacity' must be"),
        ("chair", {"tint": [1, 1, 1e9]}, "'tint' must be"),
        ("chair", {"opacity": 0.5, "tint": 1}, "'tint' must be"),
    ],
)
def test_what_is_refused(name: str, changes: object, part: str) -> None:
    """With the object and the key; nothing has changed then, not even what was right."""
    objects = Objects(specs())
    before = bytes(objects.object_bytes)
    objects.changed = False
    with pytest.raises(InputError, match="object '") as caught:
        objects.set(name, changes)
    assert part in str(caught.value)
    assert not objects.changed
    assert objects.object_bytes == before
    assert objects.get("chair") == PLACED


def test_bounds_follow_what_can_be_seen() -> None:
    """None where nothing can."""
    objects = Objects(specs())
    objects.set("chair", {"visible": False})
    assert objects.bounds == BOX
    objects.set("table", {"position": [0, 0, 10]})
    assert objects.bounds == ((-1, -2, 9.5), (1, 1, 10.5))
    objects.set("table", {"visible": False})
    assert objects.bounds is None


def test_the_saved_text_is_the_scene_as_it_stands(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Read by the build, it gives the same placements."""
    for name in ("table.ply", "chair.spz"):
        (tmp_path / name).touch()
    objects = Objects(specs())
    objects.set("table", {"position": [0.1, 1 / 3, -2e-7], "opacity": 0.5})
    (tmp_path / "scene.toml").write_text(objects.to_toml(), encoding="utf-8")
    again = read_scene_file(tmp_path / "scene.toml").entries
    assert [entry.placement for entry in again] == objects.placements
    assert [(entry.name, entry.file, entry.up) for entry in again] == [
        ("table", "table.ply", None),
        ("chair", "chair.spz", "-y"),
    ]


def test_scene_json_there_and_back() -> None:
    """With the sizes of buffers that follow from unlike degrees."""
    made = scene()
    sizes = made.expected_sizes()
    assert sizes == {"chunks": 3 * 64, "geometry": 3 * 4096, "color": 3 * 1024, "sh": 2 * 256 * 12}
    data = json.loads(made.to_json())
    data["buffers"] = {n: {"file": f"{n}.bin", "size_bytes": s} for n, s in sizes.items()}
    again = Scene.from_json(json.dumps(data))
    assert again.objects == made.objects
    assert again.chunk_count == 3


def _swap(data: dict) -> None:  # type: ignore[type-arg]
    data["objects"].reverse()


def _twice(data: dict) -> None:  # type: ignore[type-arg]
    data["objects"][1]["name"] = "table"


DAMAGE = {
    "no list": (lambda d: d.update(objects={}), "wanted a list of 1 to 1024 objects"),
    "none": (lambda d: d.update(objects=[]), "wanted a list"),
    "other order": (_swap, "its chunks must begin at 0"),
    "a name twice": (_twice, "the name 'table' is there twice"),
    "a count": (lambda d: d["objects"][0].update(count=700), "wanted 700 Gaussians in 3 chunks"),
    "the sum": (lambda d: d.update(count=308), "'count' and 'sh_degree' are 308 and 1"),
    "the degree": (lambda d: d["objects"][0].update(sh_degree=2), "SH of degree 2 in all"),
    "a generator": (lambda d: d["objects"][1].update(generator=True), "disagree"),
    "data": (lambda d: d["objects"][1].update(data=1), "'data' must begin at 2"),
    "another's data": (lambda d: d["objects"][1].update(data=0), "has the 'data' of 'table'"),
    "a key": (lambda d: d["objects"][1].update(colour=1), "unknown key 'colour'"),
    "a value": (lambda d: d["objects"][1].update(opacity=7), "'opacity' must be"),
    "no bounds": (lambda d: d["objects"][1].update(bounds=[[0, 0, 0]]), "must be of two"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_scene_json(name: str) -> None:
    """A line that names the object and the key."""
    made = scene()
    data = json.loads(made.to_json())
    sizes = made.expected_sizes().items()
    data["buffers"] = {n: {"file": f"{n}.bin", "size_bytes": s} for n, s in sizes}
    damage, part = DAMAGE[name]
    damage(data)
    with pytest.raises(BundleError, match="objects") as caught:
        Scene.from_json(json.dumps(data))
    assert part in str(caught.value)


def test_a_generator_that_is_not_the_last() -> None:
    """Its chunks would lie between those of files."""
    first, second = (item.to_dict() for item in specs())
    with pytest.raises(BundleError, match="must be the last"):
        read_objects([first | {"generator": True}, second], "here")


def test_a_new_device_and_another_plan_find_them_where_they_are() -> None:
    """As the visitor left them, and uploaded again."""
    made, host = scene(), NullHost()
    host.build(scene_plan(made, Adapter(DEFAULT_LIMITS)))
    view = View.look_at((0, 0, -5), (0, 0, 0), WORLD_UP, 50, 64, 48)
    before = Engine(made, host)
    before.draw(view)
    before.objects.set("chair", {"position": [9, 0, 0]})  # type: ignore[union-attr]
    for carry in ("take_over", "go_on"):
        host.written.clear()
        after = Engine(made, host)
        getattr(after, carry)(before)
        assert after.objects is not None
        assert after.objects.get("chair").position == (9, 0, 0)
        assert after.draw(view)
        assert "objects" in [name for name, *_ in host.written]


def test_unmoved_is_the_identity() -> None:
    """To the bit."""
    assert Placement().to_world == tuple(np.eye(4).ravel())
    assert tuple(v + 0.0 for v in Placement().to_object) == tuple(np.eye(4).ravel())
