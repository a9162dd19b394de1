"""The site: its layout, that it is made again without a trace of the old, and what it refuses."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import brotli
import numpy as np
import pytest
from PIL import Image

from pybuild import offline, poster, site
from pybuild.archive import NOT_IN_THE_PAGE, engine_archive
from pybuild.bundle import read_bundle
from pybuild.filters.bundle import add_filters, make_filters
from pybuild.gaussians import Gaussians
from pybuild.offline import OFFLINE_FILE, is_lasting
from pybuild.options import BuildOptions
from pybuild.page import WEB_FOLDER, imported_modules, index_html
from pybuild.pyodide import VERSION, PyodideMissing
from pybuild.site import build_site, recorded_options
from pyengine.errors import DeviceError, InputError
from tests.pybuild.small_pyodide import FACTS, stand_in
from tests.pyengine import filters

Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def small_poster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle at a few pixels: these tests need no GPU."""

    def no_adapter(*_: object) -> None:
        raise DeviceError("no WebGPU adapter")

    monkeypatch.setattr(poster, "render", no_adapter)
    monkeypatch.setattr(poster, "ORACLE_SIZE", (32, 18))


@pytest.fixture(autouse=True)
def pyodide_core(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Stands in for the cache, so that these tests need no network."""
    stand_in(monkeypatch, tmp_path_factory.mktemp("core"))


def files(folder: Path) -> Files:
    """Everything below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def app_of(folder: Path) -> str:
    """Where the modules of a site are: a folder named by what is in it."""
    (found,) = folder.glob("vitrine/app-*")
    return found.relative_to(folder).as_posix()


def test_layout(cloud: Gaussians, tmp_path: Path) -> None:
    """What the page and DESIGN.md expect, and Brotli siblings that hold the same bytes."""
    built = build_site(cloud, tmp_path / "site")
    found = files(tmp_path / "site")
    core = f"vitrine/{site.PYODIDE_FOLDER}/"
    app = app_of(tmp_path / "site")
    expected = {"index.html", "scene/scene.json", "scene/poster.webp", "vitrine/files.json"}
    expected |= {f"{app}/{name}" for name in ("config.json", "engine.zip")}
    expected |= {"vitrine/vitrine-view.mjs", "vitrine/vitrine-view.d.mts", OFFLINE_FILE}
    expected |= {f"{app}/{path.name}" for path in WEB_FOLDER.glob("*.mjs")}
    python = [str(FACTS[name]) for name in ("snapshot", "library", "empty")]
    expected |= {f"{core}{name}" for name in (*site.PYODIDE_FILES, *python)}
    expected |= {f"scene/{buffer.file}" for buffer in built.scene.buffers.values()}
    assert {name for name in found if not name.endswith(".br")} == expected
    for name in found:
        if name.endswith(".br"):
            assert brotli.decompress(found[name]) == found[name.removesuffix(".br")]
    assert "index.html.br" in found
    config = json.loads(found[f"{app}/config.json"])
    assert config == {"pyodide": f"../{site.PYODIDE_FOLDER}/", "version": VERSION, **FACTS}
    name = app.removeprefix("vitrine/")
    entry = f'export * from "./{name}/vitrine-view.mjs";\n'
    assert found["vitrine/vitrine-view.mjs"].decode() == entry
    assert built.sizes == {n: len(d) for n, d in found.items() if n != "vitrine/files.json"}
    assert Image.open(io.BytesIO(found["scene/poster.webp"])).format == "WEBP"
    assert len(built.notices) == 1
    assert "no WebGPU adapter" in built.notices[0]
    assert read_bundle(tmp_path / "site")[0] == built.scene


def test_the_page_names_files_that_are_there(cloud: Gaussians, tmp_path: Path) -> None:
    """Every link, script and early download of index.html."""
    build_site(cloud, tmp_path)
    text = (tmp_path / "index.html").read_text()
    early = re.search(r"data-files='(\[.*?\])'", text)
    assert early is not None
    names = re.findall(r'(?:href|src|poster)="([^"]+)"', text) + json.loads(early[1])
    for name in names:
        if not name.startswith("data:"):
            assert (tmp_path / name).is_file(), name
    assert sum(name.startswith("scene/") and name.endswith(".bin") for name in names) == 4


def test_the_same_scene_gives_the_same_site(cloud: Gaussians, tmp_path: Path) -> None:
    """Byte for byte, on any day."""
    for name in "ab":
        build_site(cloud, tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_building_again_leaves_no_old_file(cloud: Gaussians, tmp_path: Path) -> None:
    """Old buffers go, the user's own files stay, unchanged files keep their dates."""
    build_site(cloud, tmp_path, BuildOptions(title="one"))
    (tmp_path / "CNAME").write_text("example.org")
    kept = tmp_path / app_of(tmp_path) / "engine.zip"
    before, date = set(files(tmp_path)), kept.stat().st_mtime_ns
    build_site(cloud.take(np.arange(300)), tmp_path, BuildOptions(title="two"))
    after = files(tmp_path)
    assert kept.stat().st_mtime_ns == date
    assert b"<title>two</title>" in after["index.html"]
    assert after["CNAME"] == b"example.org"
    buffers = {name for name in after if re.fullmatch(r"scene/.*\.bin", name)}
    assert len(buffers) == 4
    assert buffers.isdisjoint(before)
    build_site(cloud, tmp_path, BuildOptions(title="one"))
    assert set(files(tmp_path)) == before


def test_a_folder_with_anything_else_is_left_alone(cloud: Gaussians, tmp_path: Path) -> None:
    """Also one that only looks like a site."""
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(InputError, match=r"is not empty and no Vitrine site \(it holds 'index"):
        build_site(cloud, tmp_path)
    assert files(tmp_path) == {"index.html": b"mine"}
    with pytest.raises(InputError, match="is a file"):
        build_site(cloud, tmp_path / "index.html")


def test_a_forged_record_removes_nothing_outside(cloud: Gaussians, tmp_path: Path) -> None:
    """A site's record may come from anyone; names that leave the site are ignored."""
    (tmp_path / "precious").write_text("mine")
    out = tmp_path / "site"
    build_site(cloud, out)
    record = json.loads((out / site.RECORD).read_text())
    record["files"] += ["../precious", str(tmp_path / "precious"), "a/../../precious"]
    (out / site.RECORD).write_text(json.dumps(record))
    build_site(cloud, out)
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("fault", [KeyboardInterrupt, InputError("no")])
def test_a_build_that_fails_leaves_nothing(
    cloud: Gaussians, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    """No folder where there was none; the old site whole where there was one."""
    build_site(cloud, tmp_path / "old")
    before = files(tmp_path / "old")

    def fails() -> bytes:
        raise fault

    monkeypatch.setattr(site, "engine_archive", fails)
    for name in ("old", "new"):
        with pytest.raises(type(fault) if isinstance(fault, Exception) else KeyboardInterrupt):
            build_site(cloud.take(np.arange(9)), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert files(tmp_path / "old") == before


def test_without_npm_the_page_uses_the_cdn(
    cloud: Gaussians, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the build says so."""

    def no_npm() -> Path:
        raise PyodideMissing("npm is not installed")

    monkeypatch.setattr(site, "fetch_pyodide", no_npm)
    built = build_site(cloud, tmp_path)
    config = json.loads((tmp_path / app_of(tmp_path) / "config.json").read_text())
    assert config["pyodide"] == site.CDN_URL
    assert any(
        "npm is not installed" in notice and site.CDN_URL in notice for notice in built.notices
    )
    assert not (tmp_path / "vitrine" / site.PYODIDE_FOLDER).exists()
    early = re.search(r"data-files='(\[.*?\])'", (tmp_path / "index.html").read_text())
    assert early is not None
    assert f"{app_of(tmp_path)}/engine.zip" in json.loads(early[1])


def test_options_are_recorded(cloud: Gaussians, tmp_path: Path) -> None:
    """So that --watch builds the site as it was; None where there is no site."""
    options = BuildOptions(None, (0, 0, -5), (0, 0, 1), 35.0, (1.0, 0.5, 0.0), "a <title>")
    built = build_site(cloud, tmp_path / "site", options)
    assert recorded_options(tmp_path / "site") == options
    assert recorded_options(tmp_path) is None
    assert built.scene.pose.eye == (0, 0, -5)
    assert built.scene.background == (1.0, 0.5, 0.0)
    page = (tmp_path / "site" / "index.html").read_text()
    assert "<title>a &lt;title&gt;</title>" in page
    assert 'bgcolor="#ff8000"' in page


def test_the_engine_archive() -> None:
    """What Pyodide unpacks: no host of another place, no compiled file, the same bytes always."""
    data = engine_archive()
    assert data == engine_archive()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert names == sorted(names)
    assert {"pyengine/engine.py", "pyengine/hosts/page.py", "shaders/splat/splat.wgsl"} <= set(
        names
    )
    assert not set(names) & set(NOT_IN_THE_PAGE)
    assert {Path(name).suffix for name in names} == {".py", ".wgsl"}


def test_modules_are_found_through_imports(tmp_path: Path) -> None:
    """Over several lines and re-exports, each once; dynamic ones and those of others are not."""
    (tmp_path / "a.mjs").write_text(
        'import {\n  one,\n} from "./b.mjs";\nexport { two } from "./c.mjs";\n'
        'await import("./d.mjs");\nimport three from "https://example.org/e.mjs";\n'
    )
    (tmp_path / "b.mjs").write_text('import "./a.mjs";\nimport { x } from "./c.mjs";\n')
    (tmp_path / "c.mjs").write_text("")
    assert imported_modules(tmp_path / "a.mjs") == ["a.mjs", "b.mjs", "c.mjs"]
    assert imported_modules(tmp_path / "missing.mjs") == []
    assert "fetch" not in index_html("t", (0, 0, 0))


def test_filters_that_come_later_are_the_sites(cloud: Gaussians, tmp_path: Path) -> None:
    """Their files stayed when the site was built again: no record named them."""
    out = tmp_path / "site"
    build_site(cloud, out)
    (out / "CNAME").write_text("example.org")
    before = set(files(out))
    first = kept_by(out)
    add_filters(out / "scene", make_filters([f"{filters.gain(tmp_path)}@size=32x18"]))
    added = set(files(out)) - before
    assert any(name.endswith("/program.json") for name in added)
    record = json.loads((out / site.RECORD).read_text())
    assert set(record["files"]) >= added
    assert "CNAME" not in record["files"]
    assert set(kept_by(out)["others"]) >= {name for name in added if not name.endswith(".br")}
    assert kept_by(out)["version"] != first["version"]
    build_site(cloud, out)
    assert set(files(out)) == before


def kept_by(out: Path) -> dict[str, Any]:
    """What a site's service worker is told."""
    line = (out / OFFLINE_FILE).read_text().partition(";\n")[0]
    found: dict[str, Any] = json.loads(line.removeprefix("self.SITE = "))
    return found


def test_what_a_service_worker_keeps(
    cloud: Gaussians, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a start asks for, and all modules; the version is news when a file without a hash is."""
    out = tmp_path / "site"
    build_site(cloud, out, BuildOptions(title="one"))
    page = (out / "index.html").read_text()
    early = re.search(r"data-files='(\[.*?\])'", page)
    assert early is not None
    linked = re.findall(r'<link rel="(?:modulepreload|preload)" href="([^"]+)"', page)
    kept = kept_by(out)
    modules = {path.relative_to(out).as_posix() for path in out.glob("vitrine/app-*/*.mjs")}
    assert any(name.endswith("/capture.mjs") for name in modules)
    asked = {"", *linked, *json.loads(early[1])}
    assert asked | modules == {*kept["asked"], *kept["needed"]}
    assert kept["asked"] == ["", "scene/poster.webp", "scene/scene.json"]
    assert all((out / name).is_file() for name in kept["needed"] + kept["others"])
    build_site(cloud, out, BuildOptions(title="two"))
    assert kept_by(out)["version"] != kept["version"]
    assert {**kept_by(out), "version": ""} == {**kept, "version": ""}
    geometry = next(name for name in kept["needed"] if "geometry-" in name)
    size = (out / geometry).stat().st_size
    monkeypatch.setattr(offline, "LARGE_BYTES", size - 1)
    build_site(cloud, out, BuildOptions(title="two"))
    assert geometry not in kept_by(out)["needed"], "it would be downloaded twice"
    assert geometry in kept_by(out)["others"]
    build_site(cloud, out, BuildOptions(title="two", offline=False))
    assert (out / OFFLINE_FILE).read_bytes().startswith(b"self.SITE = null;\n")
    assert "data-offline" not in (out / "index.html").read_text()


@pytest.mark.parametrize(
    ("name", "lasting"),
    [
        ("vitrine/pyodide-314.0.7/pyodide.mjs", True),
        ("vitrine/app-0123456789ab/worker.mjs", True),
        ("scene/geometry-0123456789ab.bin", True),
        ("one/scene/generator-0123456789ab/program.json", True),
        ("scene/filter-0123456789ab/kernels/51c816e953cd.wgsl", True),
        ("scene/filter-buffers/weights-0123456789ab.bin", True),
        ("vitrine/gallery-cards-0123456789ab.css", True),
        ("index.html", False),
        ("scene/scene.json", False),
        ("photo-202311112222.jpg", False),
        ("vitrine/app-01234/worker.mjs", False),
    ],
)
def test_names_that_last(name: str, lasting: bool) -> None:
    """Browsers are told to ask for these once."""
    assert is_lasting(name) is lasting


def test_a_page_says_what_it_is(cloud: Gaussians, tmp_path: Path) -> None:
    """To search engines and to previews of links; the poster may be a picture of one's own."""
    picture = tmp_path / "mine.png"
    Image.new("RGBA", (4000, 1000), (255, 0, 0, 255)).save(picture)
    options = BuildOptions(
        title="Bell",
        description='A "bell" & glass',
        poster=str(picture),
        url="https://example.org/bell/",
    )
    built = build_site(cloud, tmp_path / "site", options)
    assert built.notices == (), "nothing was drawn"
    text = (tmp_path / "site" / "index.html").read_text()
    said = dict(re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]+)"', text))
    assert said["description"] == said["og:description"] == "A &quot;bell&quot; &amp; glass"
    assert said["og:image"] == "https://example.org/bell/scene/poster.webp"
    assert (said["og:image:width"], said["og:image:height"]) == ("1920", "480")
    assert (said["og:title"], said["og:url"]) == ("Bell", "https://example.org/bell/")
    assert '<link rel="canonical" href="https://example.org/bell/">' in text
    with Image.open(tmp_path / "site" / "scene" / "poster.webp") as poster:
        assert poster.size == (1920, 480)
        assert np.abs(np.asarray(poster.convert("RGB"), float) - [255, 0, 0]).max() < 12
    assert recorded_options(tmp_path / "site") == options


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "no such file"),
        (b"ply\nno picture", "is no picture"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00", "picture"),
    ],
)
def test_a_poster_that_is_none(
    cloud: Gaussians, tmp_path: Path, data: bytes | None, words: str
) -> None:
    """Told before anything is made."""
    picture = tmp_path / "poster.png"
    if data is not None:
        picture.write_bytes(data)
    with pytest.raises(InputError, match=words) as caught:
        build_site(cloud, tmp_path / "site", BuildOptions(poster=str(picture)))
    assert str(picture) in str(caught.value)
    assert "--poster wants a picture" in str(caught.value)
    assert not (tmp_path / "site").exists()
