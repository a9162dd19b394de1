"""The page of one file: what is in it, what it refuses; it is there whole or not at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from pybuild import export, held, poster, site
from pybuild.export import export_page
from pybuild.gaussians import Gaussians
from pybuild.held import SHELL, WORKLET, joined_modules, packed
from pybuild.options import BuildOptions
from pybuild.pyodide import PyodideMissing
from pybuild.site import build_site
from pyengine.errors import DeviceError, InputError
from tests.pybuild.command import Run

ELEMENT = re.compile(
    r'<script type="text/plain" data-file="([^"]+)"( data-packing="gzip")?>([^<]*)</script>'
)


@pytest.fixture(autouse=True)
def small_poster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle at a few pixels: these tests need no GPU."""

    def no_adapter(*_: object) -> None:
        raise DeviceError("no WebGPU adapter")

    monkeypatch.setattr(poster, "render", no_adapter)
    monkeypatch.setattr(poster, "ORACLE_SIZE", (32, 18))


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Stands in for the engine, so that these tests need no network: files by their path."""
    files = {
        "vitrine-view.mjs": b"export const one = 1;\n" * 9,
        "worker.mjs": b"self.onmessage = () => {};\n" * 9,
        "pyodide-1/pyodide.mjs": b"export const two = 2;\n" * 9,
        "pyodide-1/noise.bin": hashlib.shake_128(b"wasm").digest(100_000),
    }

    def write(
        folder: Path, pyodide: bool, notices: list[str], hashed: bool = True
    ) -> SimpleNamespace:
        assert pyodide
        assert not hashed
        there = "pyodide-1/pyodide.mjs" in files
        if not there:
            notices.append("npm is not installed")
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
            (folder / f"{name}.br").write_bytes(b"for servers")
        return SimpleNamespace(pyodide=there)

    monkeypatch.setattr(held, "write_engine", write)
    return files


@pytest.fixture
def built(cloud: Gaussians, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with a title and a view of its own."""

    def no_pyodide() -> Path:
        raise PyodideMissing("not needed here")

    monkeypatch.setattr(site, "fetch_pyodide", no_pyodide)
    options = BuildOptions(title="Bell & glass", eye=(0, 0, -9), description="One <bell>")
    return build_site(cloud, tmp_path / "site", options).folder


def files_of(text: str) -> dict[str, bytes]:
    """What the page's own loader would find."""
    return {
        name: gzip.decompress(base64.b64decode(body)) if zipped else base64.b64decode(body)
        for name, zipped, body in ELEMENT.findall(text)
    }


def test_every_file_of_a_site_is_inside(
    cloud: Gaussians, built: Path, engine: dict[str, bytes], tmp_path: Path
) -> None:
    """But the poster, which shows by itself, and what only servers need."""
    options = BuildOptions(title="A <bell>", eye=(0, 0, -9))
    made = export_page(cloud, tmp_path / "page.html", options)
    text = made.path.read_text(encoding="utf-8")
    assert made.size_bytes == made.path.stat().st_size
    assert 100_000 < made.engine_bytes < made.size_bytes
    inside = files_of(text)
    assert b"\nimport " not in inside.pop(f"vitrine/{SHELL}")
    assert b"\nimport " not in inside.pop(f"vitrine/{WORKLET}")
    for name, data in engine.items():
        assert inside.pop(f"vitrine/{name}") == data
    there = [path for path in (built / "scene").iterdir() if path.suffix not in (".br", ".webp")]
    assert inside == {f"scene/{path.name}": path.read_bytes() for path in there}
    assert "<title>A &lt;bell&gt;</title>" in text
    assert "data:image/webp;base64,UklGR" in text


def test_the_policy_has_the_hashes_of_what_is_inline(cloud: Gaussians, tmp_path: Path) -> None:
    """Without them the browser would run nothing of the page."""
    text = export_page(cloud, tmp_path / "page.html").path.read_text(encoding="utf-8")
    policy = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)[0]
    for tag in ("style", 'script type="module"'):
        body = re.findall(f"<{tag}>(.*?)</{tag.split()[0]}>", text, re.DOTALL)[0]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    assert not re.search(r'(src|href)="(?!data:)', text), "nothing from elsewhere"


def test_a_built_site_becomes_a_page(built: Path, tmp_path: Path) -> None:
    """The scene as it was built, its poster and its title; a new title may be given."""
    page = tmp_path / "page.html"
    inside = files_of(export_page(built, page).path.read_text(encoding="utf-8"))
    assert inside["scene/scene.json"] == (built / "scene/scene.json").read_bytes()
    text = page.read_text(encoding="utf-8")
    assert "<title>Bell &amp; glass</title>" in text
    assert base64.b64encode((built / "scene/poster.webp").read_bytes()).decode() in text
    assert '<meta name="description" content="One &lt;bell&gt;">' in text
    picture = tmp_path / "red.png"
    Image.new("RGB", (32, 18), "red").save(picture)
    options = BuildOptions(title="New", description="Another", poster=str(picture))
    export_page(built, page, options)
    text = page.read_text(encoding="utf-8")
    assert "<title>New</title>" in text
    assert 'property="og:description" content="Another"' in text
    shown = re.findall(r'src="data:image/webp;base64,([^"]+)"', text)[0]
    with Image.open(io.BytesIO(base64.b64decode(shown))) as poster:
        assert poster.size == (32, 18)
    with pytest.raises(InputError, match="is built already"):
        export_page(built, page, BuildOptions(eye=(0, 0, -5)))


def test_too_large_a_page_is_told_and_the_old_one_stays(
    cloud: Gaussians, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing half-written is left behind either."""
    page = tmp_path / "page.html"
    page.write_text("old")
    monkeypatch.setattr(export, "MAX_BYTES", 50_000)
    with pytest.raises(InputError, match=r"would have about .* Make a folder with vitrine build"):
        export_page(cloud, page)
    assert page.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_without_pyodide_there_is_no_page(
    cloud: Gaussians, engine: dict[str, bytes], tmp_path: Path
) -> None:
    """A site can use the CDN; a page that loads nothing cannot."""
    del engine["pyodide-1/pyodide.mjs"]
    with pytest.raises(InputError, match=r"needs Pyodide in it: .*npm is not installed"):
        export_page(cloud, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_packing_is_the_gzip_that_browsers_unpack() -> None:
    """What does not shrink stays as it is."""
    data = b"splat" * 1000
    stream, zipped = packed(data)
    assert zipped
    assert gzip.decompress(stream) == data
    noise = hashlib.shake_128(b"noise").digest(4096)
    assert packed(noise) == (noise, False)
    assert packed(b"") == (b"", False)


def test_joined_modules_import_nothing_from_their_folder(tmp_path: Path) -> None:
    """Several lines of names too; what comes from elsewhere stays."""
    (tmp_path / "a.mjs").write_text("export const one = 1;\n")
    (tmp_path / "b.mjs").write_text('import {\n  one,\n} from "./a.mjs";\none;\n')
    text = joined_modules(tmp_path / "a.mjs", tmp_path / "b.mjs")
    assert text == "export const one = 1;\n\none;\n"


def test_the_command(run: Run, scene_file: Path, tmp_path: Path) -> None:
    """It says how large the page is; each fault is one line, status 2, and leaves no file."""
    status, out, _ = run("export", scene_file, "-o", "page.html", "--title", "Bell")
    assert status == 0
    assert "page.html: 700 Gaussians" in out
    assert "of which the scene is" in out
    assert (tmp_path / "page.html").is_file()
    (tmp_path / "empty").mkdir()
    faults = {
        ("nothing.ply", "-o", "x.html"): "nothing.ply: no such file",
        ("empty", "-o", "x.html"): "empty: is no site",
        (scene_file, "-o", "x.png"): "ends in .html",
        (scene_file, "-o", "empty"): "is a folder",
        (scene_file, "-o", "missing/x.html"): "missing: no such folder",
        (scene_file, "-o", "x.html", "--set", "lift=1"): "is for generators",
    }
    for argv, wanted in faults.items():
        status, _, err = run("export", *argv)
        assert status == 2
        assert wanted in err
        assert len(err.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "page.html"]
