"""The examples of docs/python.md run as they stand."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pybuild import formats
from pybuild.gaussians import Gaussians
from tests.pybuild.generators.small_generators import row
from tests.pybuild.onnx.small_models import saved
from tests.pyengine.filters import negative

ROOT = Path(__file__).resolve().parents[2]
ENCODER = '#!/bin/sh\ncat > film.raw; echo "$@" > said\n'
"""In the place of ffmpeg."""


@pytest.mark.gpu
def test_examples_run(
    adapter: object, cloud: Gaussians, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, in one namespace, in a folder with the files that they name."""
    monkeypatch.chdir(tmp_path)
    for name in ("scene", "chair"):
        formats.write(tmp_path / f"{name}.ply", cloud)
    bounds = [[-1, -2, -1], [2, 0, 1]]
    saved(row(bounds=bounds), tmp_path, "avatar.onnx")
    negative(tmp_path).rename(tmp_path / "style.onnx")
    (tmp_path / "ffmpeg").write_text(ENCODER)
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    text = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 6
    names: dict[str, Any] = {}
    for example in examples:
        exec(compile(example, "docs/python.md", "exec"), names)

    assert names["image"].shape == (180, 320, 3)
    assert names["cutout"].shape == (180, 320, 4)
    assert (names["styled"] != names["plain"]).any()
    assert len(names["clip"]) == 20
    assert names["problems"] == []
    with Image.open("tour.gif") as film:
        assert (film.n_frames, film.size) == (20, (320, 180))
    assert len(list(tmp_path.glob("turn-*.png"))) == 12
    assert (tmp_path / "film.raw").stat().st_size == 30 * 320 * 180 * 3
    assert "-s 320x180 -r 30.0" in (tmp_path / "said").read_text()
