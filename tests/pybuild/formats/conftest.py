"""Clouds, sample files and the outside oracle that the format tests share."""

from __future__ import annotations

import shutil
import subprocess
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from pybuild.formats import DroppedSplats
from pybuild.formats.bounds import FACTOR
from pybuild.gaussians import Gaussians
from pyengine.errors import FormatError

REPOSITORY = Path(__file__).resolve().parents[3]
ORACLE_VERSION = "3.7.0"

OVERHEAD_BYTES = 8 << 20
"""Above 64 times the file: slack for tiny files (1 MiB), Pillow's plug-ins, zipfile, blocks."""


def make_cloud(seed: int, count: int, degree: int, special: bool = False) -> Gaussians:
    """A random cloud within what every format can hold; ``special`` adds infinities."""
    rng = np.random.default_rng(seed)
    quaternions = rng.normal(size=(count, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    cloud = Gaussians(
        rng.normal(size=(count, 3)).astype(np.float32),
        rng.uniform(-8, 2, size=(count, 3)).astype(np.float32),
        quaternions.astype(np.float32),
        rng.uniform(-5, 5, size=count).astype(np.float32),
        rng.uniform(-0.9, 0.9, size=(count, (degree + 1) ** 2, 3)).astype(np.float32),
        antialiased=bool(seed % 2),
    )
    if special and count:
        cloud.log_scales[0, 1] = -np.inf
        cloud.opacity_logits[0] = np.inf
        cloud.opacity_logits[-1] = -np.inf
    return cloud


@pytest.fixture(scope="session")
def cloud_of() -> Callable[..., Gaussians]:
    """The function `make_cloud`."""
    return make_cloud


@pytest.fixture(scope="session")
def clouds() -> st.SearchStrategy[Gaussians]:
    """Clouds of 0, 1 and more splats, of every SH degree, with and without infinities."""
    return st.builds(
        make_cloud,
        st.integers(0, 2**32 - 1),
        st.sampled_from([0, 1, 2, 3, 17, 255, 256, 257, 600]),
        st.integers(0, 3),
        st.booleans(),
    )


@pytest.fixture(scope="session")
def assets() -> Path:
    """Sample files from outside the project."""
    folder = REPOSITORY.parent / "shared" / "assets"
    if not folder.is_dir():
        pytest.skip(f"no sample files: {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def survives() -> Callable[..., bool]:
    """Function that parses damaged bytes: True if it read a cloud, False on FormatError.

    Any other exception, and memory beyond the bound, fails the test.
    """

    def run(parse: Callable[[bytes, str], Gaussians], data: bytes, note: str = "") -> bool:
        tracing = tracemalloc.is_tracing()
        if not tracing:
            tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", DroppedSplats)
                cloud = parse(data, "damaged")
        except FormatError as error:
            message, read = str(error), False
        else:
            assert np.isfinite(cloud.positions).all(), note
            assert not np.isnan(cloud.sh).any(), note
            norms = np.linalg.norm(cloud.quaternions, axis=1)
            assert np.allclose(norms, 1, atol=1e-5), note
            message, read = "damaged: ", True
        assert message.startswith("damaged: "), message
        peak = tracemalloc.get_traced_memory()[1] - before
        if not tracing:
            tracemalloc.stop()
        assert peak <= FACTOR * len(data) + OVERHEAD_BYTES, f"{note}: {peak} of {len(data)} bytes"
        return read

    return run


@pytest.fixture(scope="session")
def convert() -> Callable[..., None]:
    """Function that runs splat-transform, an independent implementation, from file to file."""
    folder = REPOSITORY / ".cache" / "npm" / "splat-transform"
    package = folder / "node_modules" / "@playcanvas" / "splat-transform"
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm and node are needed for the oracle")
    if not (package / "bin" / "cli.mjs").exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = f"@playcanvas/splat-transform@{ORACLE_VERSION}"
        command = [npm, "install", "--prefix", str(folder), wanted]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired:
            pytest.skip("npm install of splat-transform did not end within 300 s")
        if result.returncode:
            pytest.skip(f"npm install of splat-transform failed: {result.stderr[-300:]}")

    def run(source: Path, target: Path, *options: str) -> None:
        arguments = ["-q", "-w", "-g", "cpu", *options, str(source), str(target)]
        command = [node, str(package / "bin" / "cli.mjs"), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stderr + result.stdout

    return run


@pytest.fixture(scope="session")
def compare() -> Callable[..., None]:
    """Function that compares two clouds field by field, each with its own tolerance.

    Quaternions are compared up to sign, opacities after the sigmoid, log-scales above a floor.
    """

    def run(
        got: Gaussians,
        wanted: Gaussians,
        *,
        position: float,
        log_scale: float,
        rotation: float,
        opacity: float,
        dc: float,
        harmonics: float = 0.0,
        smallest_log_scale: float = -np.inf,
        ordered: bool = True,
    ) -> None:
        assert got.count == wanted.count
        assert got.sh.shape == wanted.sh.shape
        if not ordered:
            got, wanted = (_sorted(cloud, position) for cloud in (got, wanted))
        assert _gap(got.positions, wanted.positions) <= position
        assert (
            _gap(_scales(got, smallest_log_scale), _scales(wanted, smallest_log_scale)) <= log_scale
        )
        signs = np.sign(np.einsum("ij,ij->i", got.quaternions, wanted.quaternions))[:, None]
        assert _gap(got.quaternions * signs, wanted.quaternions) <= rotation
        assert _gap(_sigmoid(got), _sigmoid(wanted)) <= opacity
        assert _gap(got.sh[:, 0], wanted.sh[:, 0]) <= dc
        assert _gap(got.sh[:, 1:], wanted.sh[:, 1:]) <= harmonics

    return run


def _gap(left: np.ndarray, right: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        gap = np.abs(left.astype(np.float64) - right)
    gap[left == right] = 0
    return float(gap.max(initial=0))


def _scales(cloud: Gaussians, smallest: float) -> np.ndarray:
    return np.maximum(cloud.log_scales, np.float32(smallest))


def _sigmoid(cloud: Gaussians) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-cloud.opacity_logits.astype(np.float64)))


def _sorted(cloud: Gaussians, grain: float) -> Gaussians:
    """Rows in the order of coarse positions, so that two orders of one cloud match."""
    return cloud.take(np.lexsort(np.round(cloud.positions, 2).T))
