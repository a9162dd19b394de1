"""Against PlayCanvas' splat-transform, an independent reader and writer of the same formats.

It writes and reads SPZ in PLY axes without turning them, so SPZ is read with ``up="source"`` and
written turned back by hand. Its SOG and compressed PLY writers sort along a Morton curve, so what
it writes is compared with what it reads back from there. It takes no big-endian PLY.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pybuild import formats
from pybuild.formats import compressed_ply, ply, sog, splat, spz
from pybuild.formats.axes import flipped
from pybuild.gaussians import Gaussians

SAME = {
    "position": 2e-5,
    "log_scale": 2e-5,
    "rotation": 2e-5,
    "opacity": 2e-6,
    "dc": 2e-5,
    "harmonics": 2e-5,
}
"""Two decoders of the same bytes: float32 rounding; opacities are clamped at 1e-6 by the oracle."""

SPLAT_ROTATION = 0.02
"""The oracle places 0 between two bytes of a .splat rotation, we at 128 as its writers do."""

TARGETS = {
    "compressed.ply": ("compressed.ply", ()),
    "spz-3": ("spz", ("--spz-version", "3")),
    "spz-4": ("spz", ("--spz-version", "4")),
    "sog": ("sog", ()),
    "ply": ("ply", ()),
}

ENCODERS = {
    "ply": lambda c: ply.encode(c),
    "compressed.ply": compressed_ply.encode,
    "sog": sog.encode,
    "spz-2": lambda c: spz.encode(unturned(c), 2),
    "spz-3": lambda c: spz.encode(unturned(c), 3),
    "spz-4": lambda c: spz.encode(unturned(c), 4),
    "splat": splat.encode,
}


def unturned(cloud: Gaussians) -> Gaussians:
    """Turn a cloud so that the SPZ writer's turn to RUB leaves PLY axes in the file."""
    return flipped(cloud, np.array([1.0, -1.0, -1.0]))


@pytest.fixture(scope="module")
def scene(assets: Path) -> Gaussians:
    """The first rows of a real capture."""
    return ply.read(assets / "ply" / "train-1000.ply")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_we_read_what_it_writes(
    convert: Callable[..., None],
    compare: Callable[..., None],
    scene: Gaussians,
    tmp_path: Path,
    target: str,
    degree: int,
) -> None:
    suffix, options = TARGETS[target]
    ply.write(tmp_path / "in.ply", scene.with_sh_degree(degree))
    convert(tmp_path / "in.ply", tmp_path / f"a.{suffix}", *options)
    convert(tmp_path / f"a.{suffix}", tmp_path / "b.ply")
    got = formats.read(tmp_path / f"a.{suffix}", up="source")
    assert got.sh_degree == degree
    compare(got, formats.read(tmp_path / "b.ply"), **SAME)


@pytest.mark.parametrize("source", ENCODERS)
@pytest.mark.parametrize("degree", [0, 3])
def test_it_reads_what_we_write(
    convert: Callable[..., None],
    compare: Callable[..., None],
    scene: Gaussians,
    tmp_path: Path,
    source: str,
    degree: int,
) -> None:
    suffix = source.split("-")[0]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(ENCODERS[source](scene.with_sh_degree(degree)))
    convert(path, tmp_path / "b.ply")
    tolerance = {**SAME, "rotation": SPLAT_ROTATION} if suffix == "splat" else SAME
    compare(formats.read(path, up="source"), formats.read(tmp_path / "b.ply"), **tolerance)


@pytest.mark.parametrize("scene_file", ["sog/massa.sog", "compressed-ply/guitar.compressed.ply"])
def test_we_agree_on_real_captures(
    convert: Callable[..., None],
    compare: Callable[..., None],
    assets: Path,
    tmp_path: Path,
    scene_file: str,
) -> None:
    convert(assets / scene_file, tmp_path / "b.ply")
    compare(formats.read(assets / scene_file), formats.read(tmp_path / "b.ply"), **SAME)


def test_it_understands_our_antialiased_tag(
    convert: Callable[..., None], cloud_of: Callable[..., Gaussians], tmp_path: Path
) -> None:
    for suffix in ("ply", "spz", "sog", "compressed.ply"):
        for seed in (0, 1):
            path = tmp_path / f"{seed}.{suffix}"
            formats.write(path, cloud_of(seed, 300, 1))
            convert(path, tmp_path / "b.ply")
            assert formats.read(tmp_path / "b.ply").antialiased is bool(seed)
