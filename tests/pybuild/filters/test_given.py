"""What the command line says of filters."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybuild.filters.given import GivenFilter, parse_filter, rebased
from pyengine.errors import InputError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With files a.onnx, b.onnx, a+b.onnx and x@range=1..2.onnx; the working directory."""
    for name in ("a.onnx", "b.onnx", "a+b.onnx", "x@range=1..2.onnx"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "in@here").mkdir()
    (tmp_path / "in@here" / "a.onnx").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_file_alone() -> None:
    assert parse_filter("a.onnx") == (GivenFilter(Path("a.onnx"), name="a"),)


@pytest.mark.usefixtures("folder")
def test_all_options() -> None:
    text = (
        "a.onnx@range=0..255,mean=0.5/0.4/0.3,std=1/2/3,channels=bgr,layout=nhwc,input=x,output=y,"
        "size=640x360/320x180,tiles=32,strength=0.25,name=Old film, faded,weights=f16"
    )
    (found,) = parse_filter(text)
    assert found == GivenFilter(
        Path("a.onnx"),
        {
            "range": "0..255",
            "mean": "0.5/0.4/0.3",
            "std": "1/2/3",
            "channels": "bgr",
            "layout": "nhwc",
            "input": "x",
            "output": "y",
        },
        ((640, 360), (320, 180)),
        32,
        0.25,
        "Old film, faded",
        "f16",
    )


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("a.onnx+b.onnx", ["a.onnx", "b.onnx"]),
        ("a.onnx@range=-1..+1+b.onnx@tiles=4", ["a.onnx", "b.onnx"]),
        ("b.onnx@mean=1e+2,std=+3/+4/+5+a.onnx", ["b.onnx", "a.onnx"]),
        ("a+b.onnx", ["a+b.onnx"]),
        ("b.onnx+a+b.onnx@tiles=4+a.onnx", ["b.onnx", "a+b.onnx", "a.onnx"]),
        ("x@range=1..2.onnx", ["x@range=1..2.onnx"]),
        ("x@range=1..2.onnx@range=3..4", ["x@range=1..2.onnx"]),
        ("in@here/a.onnx@tiles=4+a.onnx", ["in@here/a.onnx", "a.onnx"]),
    ],
)
def test_files_whatever_their_names(text: str, paths: list[str]) -> None:
    assert [str(stage.path) for stage in parse_filter(text)] == paths


@pytest.mark.usefixtures("folder")
def test_options_are_of_the_file_before_them() -> None:
    first, second = parse_filter("a.onnx@range=-1..+1+b.onnx@tiles=4,strength=0")
    assert (first.override, first.tiles) == ({"range": "-1..+1"}, None)
    assert (second.override, second.tiles, second.strength) == ({}, 4, 0.0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a.onnx", [("a.onnx", "a")]),
        ("a.onnx+b.onnx@tiles=4", [("a.onnx", "a"), ("b.onnx", "b")]),
        ("a.onnx@name=x//y+a+b.onnx", [("a.onnx", "x//y"), ("a+b.onnx", "a+b")]),
        ("x@range=1..2.onnx+b.onnx", [("x@range=1..2.onnx", "x@range=1..2"), ("b.onnx", "b")]),
    ],
)
def test_files_relative_to_another_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, wanted: list[tuple[str, str]]
) -> None:
    """A table of demos is read from anywhere; every network of a chain lies beside the table."""
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    found = parse_filter(rebased(text, Path("..")))
    assert [(str(stage.path), stage.name) for stage in found] == [
        (f"../{file}", name) for file, name in wanted
    ]


def test_a_file_that_is_missing_elsewhere_is_told_with_its_folder(folder: Path) -> None:
    with pytest.raises(InputError, match=f"^{folder}/c.onnx: there is no such file"):
        parse_filter(rebased("a.onnx+c.onnx@tiles=4", folder))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"--filter '': a file is missing"),
        ("c.onnx@tiles=3", r"^c.onnx: there is no such file \(--filter 'c.onnx@tiles=3'\)"),
        ("a.onnx+c.onnx", r"^c.onnx: there is no such file"),
        ("a.onnx+", r"a file is missing"),
        ("a.onnx@tile=3", r"'tile' is no option; did you mean 'tiles'\?; there are range, "),
        ("a.onnx@3", r"'3' is no option; wanted FILE@key=value"),
        ("a.onnx@tiles=3,tiles=4", r"tiles is given twice"),
        ("a.onnx@tiles=-1", r"tiles=-1: wanted a whole number from 0"),
        ("a.onnx@tiles=1.5", r"tiles=1.5: wanted a whole number"),
        ("a.onnx@strength=2", r"strength=2: wanted a number from 0 to 1"),
        ("a.onnx@strength=nan", r"strength=nan: wanted a number from 0 to 1"),
        ("a.onnx@strength=half", r"strength=half: wanted a number from 0 to 1"),
        ("a.onnx@size=640", r"size=640: wanted WIDTHxHEIGHT"),
        ("a.onnx@size=0x4", r"size=0x4: wanted WIDTHxHEIGHT"),
        ("a.onnx@size=9000x4", r"size=9000x4: wanted WIDTHxHEIGHT, 1 to 8192 each"),
        ("a.onnx@weights=f8", r"weights=f8: wanted f32, f16, i8, i4"),
        ("+".join(["a.onnx"] * 9), r"9 networks; wanted at most 8"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_filter(text)
