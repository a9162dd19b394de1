"""docs/gallery.md and docs/images agree with the list of pictures; the command tells its faults."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

from bench.screenshots import chains, file_name
from bench.shots import DEVICES, LIMIT_BYTES, SHOTS, TABLE
from pybuild.demos import read_demos

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
WANTED = {file_name(shot, device): device for shot in SHOTS for device in DEVICES}
"""Every picture that the command makes."""


def named() -> dict[str, str]:
    """Pictures of the page, with what stands in their place for who does not see them."""
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    tags = re.findall(r'<img src="images/([^"]+)" width="\d+" alt="([^"]*)">', text)
    assert len(tags) == text.count("<img"), "a tag is written in another way"
    return dict(tags)


def test_the_page_names_every_picture_and_the_folder_has_it() -> None:
    assert set(named()) == set(WANTED)
    assert {path.name for path in IMAGES.glob("*.webp")} == set(WANTED)


def test_each_picture_has_words_of_its_own() -> None:
    words = list(named().values())
    assert all(words)
    assert len(set(words)) == len(words)


def test_every_demo_is_shown_with_its_own_sentence() -> None:
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    for demo in read_demos(TABLE):
        assert f"**{demo.title}.** {demo.text}\n" in text


def test_pictures_have_the_size_of_their_device() -> None:
    for name, device in WANTED.items():
        with Image.open(IMAGES / name) as image:
            assert (image.format, image.size) == ("WEBP", device.size_px), name


def test_all_of_them_are_small() -> None:
    """Whatever else lies in the folder too: a clone takes it along."""
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) <= LIMIT_BYTES


def test_a_picture_needs_those_before_it() -> None:
    """Of its demo: help is opened where the statistics were."""
    (chain,) = chains({"ui-help"})
    assert [shot.name for shot in chain] == ["bell-jar", "ui-view", "ui-statistics", "ui-help"]


def start(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit status and stderr of the command."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "screenshots.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )
    return done.returncode, done.stderr


def test_faults_are_one_line(tmp_path: Path) -> None:
    """No gallery; no Chromium; no name of a picture."""
    out = ("-o", str(tmp_path / "out"))
    status, told = start(str(tmp_path / "none"), *out)
    assert (status, told.count("\n")) == (2, 1)
    assert "index.html: it is missing; make screenshots builds" in told
    (tmp_path / "index.html").write_text("<!doctype html>")
    status, told = start(str(tmp_path), *out, "--only", "gallery", "--chromium", "/nowhere")
    assert (status, told.count("\n")) == (2, 1)
    assert "Chromium is missing (/nowhere); apt-get install chromium" in told
    status, told = start(str(tmp_path), *out, "--only", "galery")
    assert status == 2
    assert "'galery' is none of gallery, bell-jar" in told
    assert not list(tmp_path.glob("out/*"))
