"""One entry point: content decides, then the suffix; every pair of formats agrees."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pybuild import formats
from pybuild.formats import compressed_ply, ply, sog, splat, spz
from pybuild.gaussians import Gaussians
from pyengine.errors import FormatError, InputError

COARSE = {"position": 0.02, "log_scale": 0.2, "rotation": 0.06, "opacity": 0.004, "dc": 0.03}
"""Wider than the coarsest format (.splat writers truncate); the formats' own tests are sharp."""

WRITERS = {
    "ply": ply.encode,
    "splat": splat.encode,
    "spz": spz.encode,
    "sog": lambda cloud: sog.encode(cloud, reorder=False),
    "compressed.ply": lambda cloud: compressed_ply.encode(cloud, reorder=False),
}


def test_the_suffixes() -> None:
    assert formats.SUFFIXES == (".compressed.ply", ".ply", ".spz", ".sog", ".splat")
    assert {format.suffix for format in formats.FORMATS} == set(formats.SUFFIXES)


@pytest.mark.parametrize("suffix", [s.lstrip(".") for s in formats.SUFFIXES])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_write_then_read(
    tmp_path: Path,
    cloud_of: Callable[..., Gaussians],
    compare: Callable[..., None],
    suffix: str,
    count: int,
) -> None:
    cloud = cloud_of(11, count, 0)
    formats.write(tmp_path / f"a.{suffix}", cloud)
    compare(formats.read(tmp_path / f"a.{suffix}"), cloud, **COARSE, ordered=False)


@pytest.mark.parametrize("suffix", [s for s in WRITERS if s != "splat"])
def test_content_beats_the_suffix(
    tmp_path: Path, cloud_of: Callable[..., Gaussians], suffix: str
) -> None:
    path = tmp_path / "scene.splat"
    path.write_bytes(WRITERS[suffix](cloud_of(11, 40, 0)))
    assert formats.read(path).count == 40
    nameless = tmp_path / "scene"
    nameless.write_bytes(path.read_bytes())
    assert formats.read(nameless).count == 40


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("up", ["y", "-y", "z", "-z"])
def test_up_turns_what_source_leaves(
    cloud_of: Callable[..., Gaussians], suffix: str, up: str
) -> None:
    data = WRITERS[suffix](cloud_of(12, 30, 2))
    source = formats.parse(data, f"x.{suffix}", up="source")
    got, wanted = formats.parse(data, f"x.{suffix}", up=up), source.with_up(up)
    np.testing.assert_array_equal(got.positions, wanted.positions)
    np.testing.assert_allclose(got.sh, wanted.sh, atol=1e-6)
    own = formats.parse(data, f"x.{suffix}")
    same = np.array_equal(own.positions, got.positions)
    assert same == (up == ("y" if suffix == "spz" else "-y"))


def test_three_formats_of_one_cloud_agree(assets: Path, compare: Callable[..., None]) -> None:
    stem = assets / "fixtures" / "test-splat.3-points-from-train"
    clouds = [formats.read(f"{stem}.{suffix}") for suffix in ("ply", "splat", "spz")]
    for cloud in clouds[1:]:
        compare(cloud.with_sh_degree(0), clouds[0].with_sh_degree(0), **COARSE)


def test_what_is_no_scene_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello world")
    with pytest.raises(FormatError, match=r"a\.txt: not a scene .*starts with b'hello wo'"):
        formats.read(tmp_path / "a.txt")
    (tmp_path / "a.ksplat").write_bytes(bytes(4096))
    with pytest.raises(FormatError, match=r"a\.ksplat: a \.ksplat, which Vitrine does not read"):
        formats.read(tmp_path / "a.ksplat")
    (tmp_path / "a.spz").write_bytes(b"")
    with pytest.raises(FormatError, match=r"a\.spz: not an SPZ file"):
        formats.read(tmp_path / "a.spz")
    with pytest.raises(FormatError, match=r"cannot be read"):
        formats.read(tmp_path)
    with pytest.raises(InputError, match="up must be one of"):
        formats.read(tmp_path / "a.spz", up="x")


def test_writing_to_an_unknown_suffix_is_told(
    tmp_path: Path, cloud_of: Callable[..., Gaussians]
) -> None:
    with pytest.raises(InputError, match=r"wanted one of \.compressed\.ply, \.ply"):
        formats.write(tmp_path / "a.obj", cloud_of(0, 1, 0))


@pytest.mark.parametrize("suffix", WRITERS)
def test_progress_ends_at_one_and_nothing_is_warned(
    cloud_of: Callable[..., Gaussians], suffix: str
) -> None:
    seen: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        formats.parse(WRITERS[suffix](cloud_of(1, 40, 1, True)), f"x.{suffix}", None, seen.append)
    assert seen[-1] == 1
    assert seen == sorted(seen)
