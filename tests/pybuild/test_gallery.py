"""The gallery: its table, its layout, what is built again, and what is left out."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assets.make_sample import SAMPLE_CAMERA
from pybuild import gallery as gallery_module
from pybuild import poster
from pybuild.bundle import read_bundle
from pybuild.demos import read_demos
from pybuild.gallery import build_gallery
from pyengine.errors import DeviceError, InputError
from pyengine.passes.filter import Filtering
from pyengine.view import View
from tests.pybuild.generators.small_generators import row
from tests.pybuild.onnx.small_models import saved
from tests.pybuild.small_pyodide import stand_in
from tests.pybuild.test_site import kept_by
from tests.pyengine import filters

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "assets" / "demos.toml"
ROWS = """
[[demo]]
name = "cloud"
title = "A <cloud>"
text = "Seven hundred."
family = "Still scene"
source = "cloud.ply"
eye = [1, 2, 3]

[[demo]]
name = "rows"
title = "Two rows"
text = "Two of them."
family = "Network"
source = "model.onnx"
set = ["lift=0.5"]
places = [[0, 0, 0, 0], [1, 2, 3, 90]]
"""


@pytest.fixture(autouse=True)
def nothing_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No GPU for posters, no network for Pyodide, no wait for code that others change."""

    def no_adapter(*_: object, **_named: object) -> None:
        raise DeviceError("no WebGPU adapter")

    monkeypatch.setattr(poster, "render", no_adapter)
    monkeypatch.setattr(poster, "ORACLE_SIZE", (32, 18))
    stand_in(monkeypatch, tmp_path_factory.mktemp("core"))
    monkeypatch.setattr(gallery_module, "_code", lambda: [b"the same"])


@pytest.fixture
def table(tmp_path: Path, scene_file: Path) -> Path:
    """Two demos, beside their sources."""
    folder = tmp_path / "demos"
    folder.mkdir()
    (folder / "cloud.ply").write_bytes(scene_file.read_bytes())
    saved(row(bounds=[[-1, -2, -1], [2, 1, 1]]), folder)
    path = folder / "demos.toml"
    path.write_text(ROWS)
    return path


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_layout(table: Path, tmp_path: Path) -> None:
    """One engine; a page and a scene for each; every file that a page names is there."""
    out = tmp_path / "out"
    gallery = build_gallery(table, out)
    assert (gallery.built, gallery.kept) == (("cloud", "rows"), ())
    found = names(out)
    engines = [name for name in found if name.endswith("engine.zip")]
    assert len(engines) == 1
    assert re.fullmatch(r"vitrine/app-[0-9a-f]{12}/engine.zip", engines[0])
    assert not {name for name in found if name.endswith("places.npy")}
    front = (out / "index.html").read_text()
    assert re.findall(r'<a href="([^"]+)"', front) == ["cloud/", "rows/"]
    assert "A &lt;cloud&gt;" in front
    for name in ("cloud", "rows"):
        assert f"{name}/scene/poster.webp" in found
        assert f'src="{name}/scene/poster.webp"' in front
        page = (out / name / "index.html").read_text()
        linked = re.findall(r'(?:href|src|poster)="([^"]+)"', page)
        fetched = re.search(r"data-files='\[(.*?)\]'", page)
        assert fetched is not None
        for file in linked + re.findall(r'"([^"]+)"', fetched[1]):
            path = Path(os.path.normpath(out / name / file))
            assert file == "data:," or path.exists(), file


def test_options_reach_the_scene(table: Path, tmp_path: Path) -> None:
    """Camera, slider, and where instances stand."""
    build_gallery(table, tmp_path / "out")
    cloud, _ = read_bundle(tmp_path / "out" / "cloud")
    assert cloud.pose.eye == (1, 2, 3)
    rows, _ = read_bundle(tmp_path / "out" / "rows")
    assert rows.generator is not None
    assert rows.generator.instances == 2
    quarter = rows.generator.transforms[1]
    assert [round(value, 6) for value in quarter] == [
        0,
        0,
        -1,
        0,
        0,
        1,
        0,
        0,
        1,
        0,
        0,
        0,
        1,
        2,
        3,
        1,
    ]
    lift = next(feed for feed in rows.generator.feeds if feed.name == "lift")
    assert lift.default == (0.5,)


def test_only_what_changed_is_built_again(table: Path, tmp_path: Path) -> None:
    """A row of the table, a model; a file that is missing; nothing of a demo that went stays."""
    out = tmp_path / "out"
    build_gallery(table, out)
    dates = {name: (out / name).stat().st_mtime_ns for name in names(out) if "scene/" in name}
    assert build_gallery(table, out).kept == ("cloud", "rows")
    assert {name: (out / name).stat().st_mtime_ns for name in dates} == dates
    table.write_text(ROWS.replace("lift=0.5", "lift=0.25"))
    assert build_gallery(table, out).built == ("rows",)
    (out / "cloud" / "index.html").unlink()
    assert build_gallery(table, out).built == ("cloud",)
    (table.parent / "cloud.ply").unlink()
    gallery = build_gallery(table, out)
    assert gallery.kept == ("rows",)
    assert "'cloud' is left out" in gallery.notices[0]
    assert not (out / "cloud").exists()
    assert "cloud" not in (out / "index.html").read_text()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('name = "rows"', 'name = "cloud"', "two demos are named 'cloud'"),
        ('name = "rows"', 'name = "../rows"', "demo 2: 'name' must be of a-z"),
        ('name = "rows"', 'name = "vitrine"', "not 'vitrine'"),
        ("eye = [1, 2, 3]", "eye = [1, 2]", "demo 1: 'eye' must be 3 numbers"),
        ("eye = [1, 2, 3]", "eyes = 1", "demo 1: 'eyes' is unknown"),
        ('title = "Two rows"', "title = 2", "demo 2: 'title' must be a text"),
        ("[1, 2, 3, 90]", "[1, 2, 3]", "demo 2: 'places' must be 4 numbers"),
        ("[[demo]]", "[demo]", "no TOML"),
    ],
)
def test_a_fault_of_the_table_is_named(table: Path, before: str, after: str, words: str) -> None:
    """The row and the key."""
    table.write_text(ROWS.replace(before, after))
    with pytest.raises(InputError, match=re.escape(words)):
        read_demos(table)


def test_a_chain_of_filters_lies_beside_the_table(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two networks was looked for in the working folder."""
    for name in ("a.onnx", "b.onnx"):
        (table.parent / name).write_bytes(b"")
    table.write_text(f'{ROWS}filter = ["a.onnx+b.onnx@strength=0.5"]\n')
    monkeypatch.chdir(tmp_path)
    (demo,) = (demo for demo in read_demos(Path("demos/demos.toml")) if demo.options.filters)
    assert demo.files()[1:] == [Path("demos/a.onnx"), Path("demos/b.onnx")]


def test_a_demo_without_its_filter_is_left_out(table: Path, tmp_path: Path) -> None:
    """It stopped the whole gallery; a fault inside a model still does, and names the demo."""
    table.write_text(f'{ROWS}filter = ["none.onnx@strength=0.5"]\n')
    gallery = build_gallery(table, tmp_path / "out")
    assert gallery.built == ("cloud",)
    (notice,) = (text for text in gallery.notices if "is left out" in text)
    assert "the demo 'rows' is left out" in notice
    assert "none.onnx" in notice
    (table.parent / "none.onnx").write_bytes(b"no model")
    before = names(tmp_path / "out")
    with pytest.raises(InputError, match=r"the demo 'rows': .*none\.onnx"):
        build_gallery(table, tmp_path / "out")
    assert names(tmp_path / "out") == before


def test_every_page_is_kept_and_of_demos_what_was_seen(table: Path, tmp_path: Path) -> None:
    """Also of demos that were not built again."""
    out = tmp_path / "out"
    for _ in range(2):
        build_gallery(table, out)
        kept = kept_by(out)
        pages = {"", "cloud/", "rows/"}
        assert set(kept["asked"]) == pages | {
            f"{page}scene/{file}" for page in pages - {""} for file in ("scene.json", "poster.webp")
        }
        assert not any(name.startswith(("cloud/", "rows/")) for name in kept["needed"])
        assert any(name.startswith("rows/scene/generator-") for name in kept["others"])
        assert 'data-offline="../vitrine-offline.js"' in (out / "rows" / "index.html").read_text()
    assert build_gallery(table, out).kept == ("cloud", "rows")


def test_it_is_not_built_over_something_else(table: Path, tmp_path: Path) -> None:
    """As any site."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="no Vitrine site"):
        build_gallery(table, tmp_path)


def test_every_family_has_a_demo() -> None:
    """And the demos' files are there; the sample is made by make, and has its own camera."""
    demos = read_demos(TABLE)
    models = {demo.source.name for demo in demos}
    assert {path.name for path in (ROOT / "assets" / "generators").glob("*.onnx")} <= models
    assert demos[0].source.name == "sample.ply"
    for demo in demos[1:]:
        files = {path.resolve() for path in demo.files()} - {demos[0].source.resolve()}
        assert all(path.is_file() for path in files), demo.name
    first = tomllib.loads(TABLE.read_text())["demo"][0]
    assert {key: first[key] for key in SAMPLE_CAMERA} == SAMPLE_CAMERA
    assert [demo for demo in demos if len(demo.places) == 10]


def test_a_demo_of_several_objects(table: Path, tmp_path: Path) -> None:
    """It is made of the files that its scene.toml names, and left out where one is missing."""
    scene = table.parent / "objects.toml"
    scene.write_text('[[object]]\nfile = "cloud.ply"\n[[object]]\nfile = "model.onnx"\nscale = 2\n')
    rows = ROWS.split("[[demo]]")[1].replace('"cloud.ply"', '"objects.toml"')
    table.write_text(f"[[demo]]{rows}")
    (demo,) = read_demos(table)
    assert [path.name for path in demo.files()] == ["objects.toml", "cloud.ply", "model.onnx"]
    assert build_gallery(table, tmp_path / "out").built == ("cloud",)
    made, load = read_bundle(tmp_path / "out" / "cloud")
    assert [item.name for item in made.objects] == ["cloud", "model"]
    assert " arrange>" in (tmp_path / "out" / "cloud" / "index.html").read_text()
    assert load("chunks")
    (table.parent / "cloud.ply").unlink()
    (notice,) = (text for text in build_gallery(table, tmp_path / "out").notices if "demo" in text)
    assert "is left out" in notice
    assert "cloud.ply is missing" in notice


def test_the_poster_of_a_filter_shows_what_it_makes(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn through it where there is an adapter; otherwise the splats stay, with a notice."""
    model = filters.inverting(table.parent)
    row = ROWS.split("[[demo]]")[1]
    table.write_text(f'[[demo]]{row}filter = ["{model.name}@size=32x18"]\n')
    gallery = build_gallery(table, tmp_path / "out")
    assert any("without its filter" in text for text in gallery.notices)

    def drawn(_scene: object, _load: object, view: View, *given: object) -> object:
        through = [item for item in given if isinstance(item, Filtering)]
        return np.full((view.height, view.width, 3), 200 if through else 0, np.uint8)

    monkeypatch.setattr(poster, "render", drawn)
    build_gallery(table, tmp_path / "again")
    with Image.open(tmp_path / "again" / "cloud" / "scene" / "poster.webp") as shown:
        assert np.asarray(shown).mean() > 190
