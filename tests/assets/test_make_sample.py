"""The sample scene: that it can be made anywhere, is sound, and shows what it is meant to show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assets.make_sample import SAMPLE_CAMERA, make_sample
from assets.sample.shade import TO_PLY
from assets.sample.surfaces import lathe, lattice, sheet, turn
from pybuild import formats
from pybuild.gaussians import Gaussians
from pybuild.reference import render, render_with_transmittance
from pybuild.sh import basis
from pyengine.view import WORLD_UP, View

ROOT = Path(__file__).resolve().parents[2]
COUNT = 30_000


@pytest.fixture(scope="module")
def scene() -> Gaussians:
    return make_sample(COUNT)


def view_from(eye: list[float], width: int = 96, height: int = 72) -> View:
    return View.look_at(eye, SAMPLE_CAMERA["target"], WORLD_UP, SAMPLE_CAMERA["fov"], width, height)


def test_the_same_seed_gives_the_same_bytes(scene: Gaussians) -> None:
    again = make_sample(COUNT)
    for name in ("positions", "log_scales", "quaternions", "opacity_logits", "sh"):
        assert getattr(scene, name).tobytes() == getattr(again, name).tobytes()
    other = make_sample(COUNT, seed=8)
    assert not np.array_equal(scene.positions[:1000], other.positions[:1000]) or not np.array_equal(
        scene.positions[-500:], other.positions[-500:]
    )


@pytest.mark.parametrize("count", [1000, 25_000])
def test_count_is_met_to_a_tenth(count: int) -> None:
    assert make_sample(count).count == pytest.approx(count, rel=0.1)


def test_every_splat_is_sound(scene: Gaussians) -> None:
    kept, dropped = scene.cleaned()
    assert dropped == 0
    np.testing.assert_allclose(kept.quaternions, scene.quaternions, atol=1e-6)
    assert np.isfinite(scene.opacity_logits).all()
    assert np.isfinite(scene.log_scales).all()
    assert scene.real_sh_degree == 3
    assert not scene.antialiased


def test_it_is_about_two_units_big_and_near_the_origin(scene: Gaussians) -> None:
    low, high = scene.positions.min(axis=0), scene.positions.max(axis=0)
    assert ((high - low > 1.5) & (high - low < 3)).all()
    assert (np.abs(low + high) / 2 < 0.3).all()
    assert np.exp(scene.log_scales).max() < 0.12


def test_the_first_view_is_filled_and_not_burnt_out(scene: Gaussians) -> None:
    image, transmittance = render_with_transmittance(scene, view_from(SAMPLE_CAMERA["eye"]))
    covered = transmittance < 0.9
    assert 0.25 < covered.mean() < 0.9
    assert not covered[:2].any()
    assert (image.min(axis=2) > 0.98).mean() < 0.01
    assert 0.15 < image[covered].mean() < 0.6


def test_it_stands_upright(scene: Gaussians) -> None:
    """The table is below: in PLY axes its y is larger than that of the glass knob."""
    _, transmittance = render_with_transmittance(scene, view_from([0, -0.2, -3.2]))
    across = (transmittance < 0.5).sum(axis=1)
    assert across[-20:].max() > 2 * max(1, across[:10].max())


def test_colours_change_with_the_view(scene: Gaussians) -> None:
    eye = view_from(SAMPLE_CAMERA["eye"])
    full, flat = render(scene, eye), render(scene, eye, sh_degree=0)
    assert np.abs(full - flat).mean() > 0.02


def test_highlights_lie_where_the_mirror_puts_them(scene: Gaussians) -> None:
    """The table shines more when the key light is mirrored in it than seen from the other side."""
    top = np.flatnonzero(
        (np.abs(scene.positions[:, 1] - 0.72) < 1e-4)
        & (np.hypot(scene.positions[:, 0], scene.positions[:, 2]) > 0.9)
    )
    assert len(top) > 50
    towards_key = np.array([[-0.62, 0.80, 0.52]]) * TO_PLY
    towards_key /= np.linalg.norm(towards_key)
    mirrored = towards_key * np.array([1, -1, 1])
    opposite = mirrored * np.array([-1, 1, -1])
    shine, dull = (
        np.einsum("k,nkc->nc", basis(direction, 3)[0], scene.sh[top])
        for direction in (mirrored, opposite)
    )
    lit = shine.mean(axis=1) > np.median(shine.mean(axis=1))
    assert (shine[lit] - dull[lit]).mean() > 0.02


def test_the_script_writes_a_file_from_any_folder(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "assets/make_sample.py"), "out.ply", "--count", "2000"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "out.ply: 2000 Gaussians, SH degree 3\n"
    again = make_sample(2000)
    np.testing.assert_array_equal(formats.read(tmp_path / "out.ply").positions, again.positions)


def test_the_script_refuses_a_count_that_is_no_scene(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "assets/make_sample.py"), "out.ply", "--count", "10"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.endswith("--count must be at least 1000, got 10\n")


def test_a_sheet_is_sampled_evenly_and_faces_du_x_dv() -> None:
    def dome(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)], axis=1)

    spacing = 0.05
    _, _, position, normal, tangent = sheet(dome, (0, np.pi / 2), (0, 2 * np.pi), spacing)
    assert len(position) == pytest.approx(2 * np.pi / spacing**2, rel=0.01)
    np.testing.assert_allclose(normal, -position, atol=1e-3)
    np.testing.assert_allclose(np.sum(normal * tangent, axis=1), 0, atol=1e-6)
    # Equal heights of a sphere have equal areas (Archimedes).
    bands = np.histogram(position[:, 2], bins=5, range=(0, 1))[0]
    assert bands.max() < 1.1 * bands.min()


def test_a_lathe_faces_outwards() -> None:
    position, normal, _, along = lathe([(1, 0), (1, 1), (0.5, 1)], 0.05)
    wall = along < 0.95
    np.testing.assert_allclose(normal[wall], position[wall] * (1, 0, 1), atol=1e-9)
    np.testing.assert_allclose(normal[along > 1.05], [[0, 1, 0]] * int((along > 1.05).sum()))


def test_lattice_and_turn() -> None:
    a, b = lattice(200)
    gaps = np.hypot(a[:, None] - a, b[:, None] - b) + 9 * np.eye(200)
    assert gaps.min() > 0.5 / 200**0.5
    np.testing.assert_allclose(turn(y_deg=90) @ (1, 0, 0), (0, 0, -1), atol=1e-12)
