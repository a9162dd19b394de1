"""The splat cloud in memory: what every reader returns and every writer takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pybuild.sh import coefficient_count, rotation_matrix
from pyengine.errors import InputError

__all__ = ["UP_ROTATIONS", "Gaussians"]

Floats = NDArray[np.float32]

UP_ROTATIONS: dict[str, NDArray[np.float64]] = {
    "-y": np.eye(3),
    "y": np.diag([1.0, -1.0, -1.0]),
    "z": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "-z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
"""For each axis that may point up in a file, the rotation that turns it to -y, up in PLY axes."""


@dataclass(frozen=True, slots=True)
class Gaussians:
    """A cloud of n Gaussians in PLY conventions: x right, y down, z forward.

    Attributes
    ----------
    positions : (n, 3) float32
        Centres, in world units.
    log_scales : (n, 3) float32
        Natural logarithms of the three standard deviations. May be -inf.
    quaternions : (n, 4) float32
        Rotations w, x, y, z, of unit length.
    opacity_logits : (n,) float32
        Opacity before the sigmoid. May be +inf or -inf.
    sh : (n, (degree + 1)**2, 3) float32
        Spherical harmonics of red, green, blue; the DC term first.
    antialiased : bool
        The scene was trained with the 2D mip filter (dilation 0.1 px², opacity compensated).
    """

    positions: Floats
    log_scales: Floats
    quaternions: Floats
    opacity_logits: Floats
    sh: Floats
    antialiased: bool = False

    def __post_init__(self) -> None:
        n = len(self.positions)
        wanted = {
            "positions": (n, 3),
            "log_scales": (n, 3),
            "quaternions": (n, 4),
            "opacity_logits": (n,),
        }
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
            if array.dtype != np.float32:
                raise ValueError(f"{name} must be float32, got {array.dtype}")
        counts = [coefficient_count(degree) for degree in range(4)]
        if self.sh.ndim != 3 or self.sh.shape[0] != n or self.sh.shape[2] != 3:
            raise ValueError(f"sh must have shape ({n}, K, 3), got {self.sh.shape}")
        if self.sh.shape[1] not in counts:
            raise ValueError(f"sh must have K in {counts} coefficients, got {self.sh.shape[1]}")
        if self.sh.dtype != np.float32:
            raise ValueError(f"sh must be float32, got {self.sh.dtype}")

    @property
    def count(self) -> int:
        """Number of Gaussians."""
        return len(self.positions)

    @property
    def sh_degree(self) -> int:
        """Degree that the array holds, 0 to 3."""
        return math.isqrt(self.sh.shape[1]) - 1

    @property
    def real_sh_degree(self) -> int:
        """Highest degree with a coefficient that is not zero."""
        for degree in range(self.sh_degree, 0, -1):
            if np.any(self.sh[:, degree * degree : (degree + 1) ** 2]):
                return degree
        return 0

    def with_sh_degree(self, degree: int) -> Gaussians:
        """The same cloud with the bands above ``degree`` dropped (or zero bands added)."""
        wanted = coefficient_count(degree)
        sh = self.sh[:, :wanted]
        if sh.shape[1] < wanted:
            sh = np.pad(sh, ((0, 0), (0, wanted - sh.shape[1]), (0, 0)))
        return replace(self, sh=np.ascontiguousarray(sh))

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Gaussians:
        """The rows that ``index`` names, in its order."""
        return Gaussians(
            self.positions[index],
            self.log_scales[index],
            self.quaternions[index],
            self.opacity_logits[index],
            self.sh[index],
            self.antialiased,
        )

    def rotated(self, rotation: NDArray[np.floating]) -> Gaussians:
        """The cloud turned about the origin; positions, covariances and SH turn together.

        Parameters
        ----------
        rotation : (3, 3) float
            Orthogonal with determinant 1.
        """
        r = np.asarray(rotation, dtype=np.float64)
        if not np.allclose(r @ r.T, np.eye(3), atol=1e-9) or np.linalg.det(r) < 0:
            raise ValueError("rotation must be orthogonal with determinant 1")
        if np.array_equal(r, np.eye(3)):
            return self
        sh = np.einsum("kj,njc->nkc", rotation_matrix(r, self.sh_degree), self.sh)
        return replace(
            self,
            positions=(self.positions @ r.T).astype(np.float32),
            quaternions=_quaternion_product(_quaternion_of(r), self.quaternions),
            sh=sh.astype(np.float32),
        )

    def with_up(self, up: str) -> Gaussians:
        """Turn a cloud whose ``up`` axis (y, -y, z, -z) points up into PLY axes (-y up)."""
        if up not in UP_ROTATIONS:
            raise InputError(f"up must be one of source, y, -y, z, -z, got {up!r}")
        return self.rotated(UP_ROTATIONS[up])

    def cleaned(self) -> tuple[Gaussians, int]:
        """Drop what cannot be drawn: NaN anywhere, infinite positions, zero quaternions.

        Infinite opacity logits and scales of -inf are kept: they mean opaque and flat.

        Returns
        -------
        The remaining cloud, with unit quaternions, and how many Gaussians were dropped.
        """
        norm = np.linalg.norm(self.quaternions.astype(np.float64), axis=1)
        good = np.isfinite(self.positions).all(axis=1) & np.isfinite(norm) & (norm > 1e-12)
        good &= ~np.isnan(self.opacity_logits)
        good &= ~np.isnan(self.log_scales).any(axis=1) & (self.log_scales < 88).all(axis=1)
        good &= np.isfinite(self.sh).all(axis=(1, 2))
        kept = self if good.all() else self.take(good)
        unit = (kept.quaternions / norm[good, None]).astype(np.float32)
        return replace(kept, quaternions=unit), int(self.count - good.sum())


def _quaternion_of(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quaternion (w, x, y, z) of a rotation matrix, by the largest component."""
    m = rotation
    squares = np.array(
        [
            1 + m[0, 0] + m[1, 1] + m[2, 2],
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
        ]
    )
    largest = int(np.argmax(squares))
    rows = (
        (squares[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]),
        (m[2, 1] - m[1, 2], squares[1], m[1, 0] + m[0, 1], m[0, 2] + m[2, 0]),
        (m[0, 2] - m[2, 0], m[1, 0] + m[0, 1], squares[2], m[2, 1] + m[1, 2]),
        (m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[2, 1] + m[1, 2], squares[3]),
    )
    q = np.array(rows[largest], dtype=np.float64)
    return q / np.linalg.norm(q)


def _quaternion_product(left: NDArray[np.float64], right: Floats) -> Floats:
    """Hamilton product of one quaternion with (n, 4) others."""
    w, x, y, z = left
    matrix = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    product: Floats = (right.astype(np.float64) @ matrix.T).astype(np.float32)
    return product
