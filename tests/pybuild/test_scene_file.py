"""scene.toml: what it may say, what is wrong with others, and that saved scenes come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybuild.scene_file import Entry, SceneFile, read_scene_file, source_of
from pybuild.watch import sources
from pyengine.errors import InputError
from pyengine.object_spec import UNMOVED, Placement


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a few files that only have to be there."""
    for name in ("a.ply", "b.compressed.ply", "gen.onnx", "other.onnx"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    """A scene.toml in a subfolder."""
    path = folder / "sub" / "scene.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_that_an_object_may_say(folder: Path) -> None:
    """Paths are relative to the file; what is left out is as it was made."""
    scene = read_scene_file(
        write(
            folder,
            """
            [[object]]
            file = "../a.ply"
            up = "-y"

            [[object]]
            file = "../b.compressed.ply"
            name = "Stühle 2"
            position = [1, -2.5, 3]
            quaternion = [0, 2, 0, 0]
            scale = [1, 2, 0.5]
            visible = false
            opacity = 0.25
            tint = [1, 0, 2]

            [[object]]
            file = "../gen.onnx"
            scale = 2
            """,
        )
    )
    first, second, third = scene.entries
    assert (first.name, first.placement, first.up) == ("a", UNMOVED, "-y")
    assert first.path.resolve() == (folder / "a.ply").resolve()
    assert second == Entry(
        "Stühle 2",
        "../b.compressed.ply",
        folder / "sub" / "../b.compressed.ply",
        Placement((1, -2.5, 3), (0, 1, 0, 0), (1, 2, 0.5), False, 0.25, (1, 0, 2)),
    )
    assert third.placement.scale == (2, 2, 2)
    assert scene.generator == third
    assert scene.title == "scene"


@pytest.mark.parametrize(
    ("angles", "point", "wanted"),
    [
        ((90, 0, 0), (0, 1, 0), (0, 0, 1)),
        ((0, 90, 0), (0, 0, 1), (1, 0, 0)),
        ((0, 0, 90), (1, 0, 0), (0, 1, 0)),
        ((90, 90, 0), (0, 1, 0), (1, 0, 0)),
        ((0, 90, 90), (0, 0, 1), (0, 1, 0)),
        ((450, -360, 0), (0, 1, 0), (0, 0, 1)),
    ],
)
def test_angles(
    folder: Path,
    angles: tuple[float, ...],
    point: tuple[float, ...],
    wanted: tuple[float, ...],
) -> None:
    """About x, then y, then z, each of them the scene's own axis."""
    text = f'[[object]]\nfile = "../a.ply"\nrotation_deg = {list(angles)}'
    (entry,) = read_scene_file(write(folder, text)).entries
    matrix = np.reshape(entry.placement.to_world, (4, 4)).T
    np.testing.assert_allclose(matrix[:3, :3] @ point, wanted, atol=1e-12)


OBJECT = '[[object]]\nfile = "../a.ply"\n'
FAULTS = {
    "no TOML": ("object = [", ["no TOML"]),
    "nothing": ("", ["wants an [[object]]"]),
    "not tables": ("object = [1]", ["wants an [[object]]"]),
    "unknown at the top": ('objects = "x"', ["unknown key 'objects'; did you mean 'object'?"]),
    "unknown": (OBJECT + "positoin = [0, 0, 0]", ["object 1 ('a')", "did you mean 'position'?"]),
    "rotation": (OBJECT + "rotation = [0, 0, 0]", ["did you mean 'rotation_deg'?"]),
    "no file": ('[[object]]\nname = "x"', ["object 1: 'file' is missing"]),
    "file of a wrong type": ("[[object]]\nfile = 3", ["object 1: 'file' must be a text, got 3"]),
    "missing file": ('[[object]]\nfile = "no.ply"', ["'file' 'no.ply': no such file"]),
    "name": (OBJECT + 'name = ""', ["'name' must be a text"]),
    "name twice": ((OBJECT + 'name = "x"\n') * 2, ["object 2", "the name 'x' is taken"]),
    "both rotations": (
        OBJECT + "quaternion = [0, 0, 0, 1]\nrotation_deg = [0, 0, 0]",
        ["leave one of them out"],
    ),
    "angles": (OBJECT + "rotation_deg = [0, 0]", ["'rotation_deg' must be three numbers"]),
    "no angle": (OBJECT + "rotation_deg = [0, nan, 0]", ["'rotation_deg' must be"]),
    "quaternion": (OBJECT + "quaternion = [0, 0, 0, 0]", ["'quaternion' must be", "not zero"]),
    "position": (OBJECT + "position = [0, inf, 0]", ["'position' must be three numbers"]),
    "scale": (OBJECT + "scale = 0", ["'scale' must be a number from 1e-06 to 1e+06"]),
    "scales": (OBJECT + "scale = [1, -1, 1]", ["'scale' must be", "[1, -1, 1]"]),
    "visible": (OBJECT + "visible = 1", ["'visible' must be true or false, got 1"]),
    "opacity": (OBJECT + "opacity = 1.5", ["'opacity' must be a number from 0 to 1, got 1.5"]),
    "tint": (OBJECT + "tint = [1, 1]", ["'tint' must be red, green and blue"]),
    "up": (OBJECT + 'up = "w"', ["'up' must be one of source, y"]),
    "up of a model": ('[[object]]\nfile = "../gen.onnx"\nup = "y"', ["'up' is for scene files"]),
    "two models": (
        '[[object]]\nfile = "../gen.onnx"\n[[object]]\nfile = "../other.onnx"',
        ["'gen' and 'other' are generators", "--instances"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(folder: Path, name: str) -> None:
    """The file, the object, the key, what was wanted and got."""
    text, parts = FAULTS[name]
    path = write(folder, text)
    with pytest.raises(InputError) as caught:
        read_scene_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_several_files_of_a_command_line(folder: Path) -> None:
    """Each is an object of its file's name, numbered where that is there twice."""
    paths = [folder / "a.ply", folder / "b.compressed.ply", folder / "a.ply"]
    scene = source_of(paths)
    assert isinstance(scene, SceneFile)
    assert [entry.name for entry in scene.entries] == ["a", "b", "a-2"]
    assert [entry.file for entry in scene.entries] == ["a.ply", "b.compressed.ply", "a.ply"]
    assert source_of(paths[:1]) == paths[0]
    assert isinstance(source_of([write(folder, OBJECT)]), SceneFile)


def test_what_several_files_may_not_be(folder: Path) -> None:
    """A folder, a scene.toml, something that is not there."""
    scene, file = write(folder, OBJECT), folder / "a.ply"
    for paths, part in (
        ([file, scene], "is a whole scene"),
        ([folder, file], "is a folder"),
        ([file, folder / "no.ply"], "no such file"),
        ([folder / "gen.onnx", folder / "other.onnx"], "are generators"),
    ):
        with pytest.raises(InputError, match=part):
            source_of(paths)


numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
placements = st.builds(
    lambda position, rotation, scale, visible, opacity, tint: UNMOVED.changed(
        {
            "position": position,
            "rotation": rotation,
            "scale": scale,
            "visible": visible,
            "opacity": opacity,
            "tint": tint,
        },
        "",
    ),
    st.lists(numbers, min_size=3, max_size=3),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(
        lambda q: sum(v * v for v in q) > 0.1
    ),
    st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3),
    st.booleans(),
    st.floats(0, 1),
    st.lists(st.floats(0, 10), min_size=3, max_size=3),
)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), placements), min_size=1, max_size=4))
def test_what_is_saved_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, Placement]]
) -> None:
    """Any names, any numbers, to the last bit; and written again it is the same text."""
    folder = tmp_path_factory.getbasetemp() / "saved"
    folder.mkdir(exist_ok=True)
    (folder / "a.ply").touch()
    names = dict.fromkeys(name for name, _ in rows if name.isprintable())
    entries = tuple(
        Entry(name, "a.ply", folder / "a.ply", placement, "z" if index % 2 else None)
        for index, (name, (_, placement)) in enumerate(zip(names, rows, strict=False))
    )
    if not entries:
        return
    text = SceneFile("", entries, "").to_toml()
    (folder / "scene.toml").write_text(text, encoding="utf-8", newline="")
    again = read_scene_file(folder / "scene.toml")
    assert again.entries == entries
    assert again.to_toml() == text


def test_names_that_need_escapes(folder: Path) -> None:
    """Quotes, backslashes, line breaks and control characters."""
    names = ['say "a"', "back\\slash", "line\nbreak\r\ttab", "bell\x07", "del\x7f", "\U0001f40c"]
    entries = tuple(Entry(name, "../a.ply", folder / "a.ply") for name in names)
    path = write(folder, SceneFile("", entries, "").to_toml())
    assert [entry.name for entry in read_scene_file(path).entries] == names


def test_what_is_watched(folder: Path) -> None:
    """The files of a scene.toml too, also when it names others; itself alone while it is broken."""
    path = write(folder, OBJECT)
    first = (folder / "sub" / "../a.ply", path)
    assert set(first) <= set(sources(path))
    path.write_text(OBJECT + '[[object]]\nfile = "no.ply"\n')
    assert {*first, folder / "sub" / "no.ply"} <= set(sources(path))
    path.write_text("[[object")
    assert first[0] not in sources(path)
    assert path in sources(path)
