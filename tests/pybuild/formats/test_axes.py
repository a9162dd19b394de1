"""Turning and mirroring clouds: positions, covariances and harmonics move together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.formats.axes import check_up, flipped, placed, system_matrix
from pybuild.gaussians import UP_ROTATIONS, Gaussians
from pybuild.sh import basis
from pyengine.errors import InputError

ROUNDING = 2e-5
"""Float32 sums of 16 products of about 1, and covariances of about e**4."""

SYSTEMS = (
    *("LDB", "RDB", "LUB", "RUB", "LDF", "RDF", "LUF", "RUF"),
    *("LFD", "RFD", "LFU", "RFU", "LBD", "RBD", "LBU", "RBU"),
)


def covariances(cloud: Gaussians) -> np.ndarray:
    """Covariance of each splat, (n, 3, 3) float64, straight from the definition."""
    w, x, y, z = cloud.quaternions.astype(np.float64).T
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    ).transpose(2, 0, 1)
    half = rotation * np.exp(cloud.log_scales.astype(np.float64))[:, None, :]
    return half @ half.transpose(0, 2, 1)


def colours(cloud: Gaussians, directions: np.ndarray) -> np.ndarray:
    """Colour of each splat seen along each direction, (directions, n, 3)."""
    return np.einsum("dk,nkc->dnc", basis(directions, cloud.sh_degree), cloud.sh)


def assert_moved(before: Gaussians, after: Gaussians, matrix: np.ndarray) -> None:
    """Check that ``after`` is ``before`` carried along by ``matrix``, seen from everywhere."""
    directions = np.random.default_rng(1).normal(size=(20, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(after.positions, before.positions @ matrix.T, atol=ROUNDING)
    moved = matrix @ covariances(before) @ matrix.T
    np.testing.assert_allclose(covariances(after), moved, atol=ROUNDING, rtol=ROUNDING)
    seen = colours(after, directions @ matrix.T)
    np.testing.assert_allclose(seen, colours(before, directions), atol=ROUNDING)
    np.testing.assert_array_equal(after.log_scales, before.log_scales)
    np.testing.assert_array_equal(after.opacity_logits, before.opacity_logits)


def copied(cloud: Gaussians) -> Gaussians:
    return cloud.take(np.arange(cloud.count))


@pytest.mark.parametrize("degree", range(4))
def test_harmonics_rotate_with_the_world(cloud_of: Callable[..., Gaussians], degree: int) -> None:
    cloud = cloud_of(3, 12, degree)
    spin = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    spin *= np.linalg.det(spin)
    assert_moved(cloud, cloud.rotated(spin), spin)


@pytest.mark.parametrize("up", ["y", "-y", "z", "-z"])
def test_with_up_turns_that_axis_to_minus_y(cloud_of: Callable[..., Gaussians], up: str) -> None:
    cloud = cloud_of(4, 12, 3)
    axis = np.zeros(3)
    axis["yz".index(up[-1]) + 1] = -1 if up[0] == "-" else 1
    np.testing.assert_array_equal(UP_ROTATIONS[up] @ axis, [0, -1, 0])
    assert_moved(cloud, cloud.with_up(up), UP_ROTATIONS[up])


@pytest.mark.parametrize("up", ["y", "-y", "z", "-z"])
def test_placed_in_memory_equals_with_up(cloud_of: Callable[..., Gaussians], up: str) -> None:
    cloud = cloud_of(5, 9000, 1)
    wanted = cloud.with_up(up)
    got = placed(copied(cloud), UP_ROTATIONS[up])
    np.testing.assert_array_equal(got.positions, wanted.positions)
    np.testing.assert_allclose(got.sh, wanted.sh, atol=ROUNDING)
    np.testing.assert_allclose(covariances(got), covariances(wanted), rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_coordinate_system_is_placed(cloud_of: Callable[..., Gaussians], system: str) -> None:
    right, down, forward = np.eye(3)
    towards = {"R": right, "L": -right, "D": down, "U": -down, "F": forward, "B": -forward}
    matrix = np.column_stack([towards[letter] for letter in system])
    np.testing.assert_array_equal(system_matrix(system), matrix)
    cloud = cloud_of(6, 20, 3)
    assert_moved(cloud, placed(copied(cloud), system_matrix(system)), matrix)


def test_flips_are_exact_and_leave_their_input(cloud_of: Callable[..., Gaussians]) -> None:
    cloud = cloud_of(7, 10, 3)
    kept = copied(cloud)
    signs = np.array([1.0, -1.0, -1.0])
    twice = flipped(flipped(cloud, signs), signs)
    for field in ("positions", "quaternions", "sh"):
        np.testing.assert_array_equal(getattr(twice, field), getattr(cloud, field))
        np.testing.assert_array_equal(getattr(kept, field), getattr(cloud, field))


def test_a_bad_up_names_the_choices() -> None:
    with pytest.raises(InputError, match="up must be one of source, y, -y, z, -z, got 'x'"):
        check_up("x")
