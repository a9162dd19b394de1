"""From a file's axes to PLY axes (x right, y down, z forward).

A coordinate system is named by where its x, y and z axes point, as SPZ does: RDF is PLY, RUB is
three.js and SPZ, LUF is glTF. Left-handed systems are mirrored: positions, rotations and spherical
harmonics each by their own parity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pybuild.gaussians import UP_ROTATIONS, Gaussians
from pybuild.sh import rotation_matrix
from pyengine.errors import InputError

__all__ = ["check_up", "flipped", "placed", "system_matrix"]

_DIRECTIONS = {
    "R": (1, 0, 0),
    "L": (-1, 0, 0),
    "D": (0, 1, 0),
    "U": (0, -1, 0),
    "F": (0, 0, 1),
    "B": (0, 0, -1),
}

_BLOCK = 8192
"""Splats turned at a time: bounds the float64 temporaries to a few MiB."""


def check_up(up: str | None) -> None:
    """Raise InputError unless ``up`` is None, source, y, -y, z or -z."""
    if up is not None and up != "source" and up not in UP_ROTATIONS:
        raise InputError(f"up must be one of source, y, -y, z, -z, got {up!r}")


def system_matrix(system: str) -> NDArray[np.float64]:
    """Matrix that takes coordinates of ``system`` (three letters of RLUDFB) to PLY axes.

    Returns
    -------
    (3, 3) float64, a signed permutation; its determinant is -1 for a left-handed system.
    """
    return np.array([_DIRECTIONS[letter] for letter in system], dtype=np.float64).T


def flipped(gaussians: Gaussians, signs: NDArray[np.float64]) -> Gaussians:
    """The cloud with axes negated where ``signs`` is -1: a half turn or a mirror, exactly.

    Parameters
    ----------
    gaussians : Gaussians
        Left as it is.
    signs : (3,) float
        Each 1 or -1.
    """
    x, y, z = signs
    spin = np.array([1, y * z, x * z, x * y], np.float32)
    parity = np.rint(np.diag(rotation_matrix(np.diag(signs), gaussians.sh_degree)))
    return Gaussians(
        gaussians.positions * signs.astype(np.float32),
        gaussians.log_scales,
        gaussians.quaternions * spin,
        gaussians.opacity_logits,
        gaussians.sh * parity.astype(np.float32)[:, None],
        gaussians.antialiased,
    )


def placed(gaussians: Gaussians, matrix: NDArray[np.float64]) -> Gaussians:
    """Bring a cloud into PLY axes, reusing its memory: the reader that made it owns it.

    Parameters
    ----------
    gaussians : Gaussians
        Its arrays are overwritten.
    matrix : (3, 3) float64
        A signed permutation that leaves x on x, as `system_matrix` and `UP_ROTATIONS` give.
    """
    if np.array_equal(matrix, np.eye(3)):
        return gaussians
    if np.count_nonzero(np.diag(matrix)) == 3:
        signs = np.diag(matrix)
        return _in_blocks(gaussians, lambda part: flipped(part, signs))
    quarter = UP_ROTATIONS["z"]
    signs = np.diag(matrix @ quarter.T)
    return _in_blocks(gaussians, lambda part: flipped(part.rotated(quarter), signs))


def _in_blocks(gaussians: Gaussians, turn: Callable[[Gaussians], Gaussians]) -> Gaussians:
    """Apply ``turn`` to a block of rows at a time and write the result back."""
    for start in range(0, gaussians.count, _BLOCK):
        rows = slice(start, start + _BLOCK)
        part = turn(
            Gaussians(
                gaussians.positions[rows],
                gaussians.log_scales[rows],
                gaussians.quaternions[rows],
                gaussians.opacity_logits[rows],
                gaussians.sh[rows],
            )
        )
        gaussians.positions[rows] = part.positions
        gaussians.quaternions[rows] = part.quaternions
        gaussians.sh[rows] = part.sh
    return gaussians
