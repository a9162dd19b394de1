"""Real spherical harmonics, degrees 0 to 3, in the sign convention of the INRIA rasteriser.

Source: Kerbl et al. 2023, "3D Gaussian Splatting for Real-Time Radiance Field Rendering"; the
constants are the usual real basis, with the Condon-Shortley phase kept on odd orders.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

SH_C0 = math.sqrt(1 / (4 * math.pi))
SH_C1 = math.sqrt(3 / (4 * math.pi))
SH_C2 = (
    math.sqrt(15 / (4 * math.pi)),
    -math.sqrt(15 / (4 * math.pi)),
    math.sqrt(5 / (16 * math.pi)),
    -math.sqrt(15 / (4 * math.pi)),
    math.sqrt(15 / (16 * math.pi)),
)
SH_C3 = (
    -math.sqrt(35 / (32 * math.pi)),
    math.sqrt(105 / (4 * math.pi)),
    -math.sqrt(21 / (32 * math.pi)),
    math.sqrt(7 / (16 * math.pi)),
    -math.sqrt(21 / (32 * math.pi)),
    math.sqrt(105 / (16 * math.pi)),
    -math.sqrt(35 / (32 * math.pi)),
)


def coefficient_count(degree: int) -> int:
    """Number of coefficients a channel has at ``degree``, the DC term included."""
    return (degree + 1) ** 2


def basis(directions: Array, degree: int) -> NDArray[np.float64]:
    """Evaluate the basis.

    Parameters
    ----------
    directions : (n, 3) float
        Unit vectors, from the camera's centre to the splat.
    degree : int
        0 to 3.

    Returns
    -------
    (n, (degree + 1)**2) float64
    """
    d = np.asarray(directions, dtype=np.float64)
    x, y, z = d[:, 0], d[:, 1], d[:, 2]
    columns = [np.full(len(d), SH_C0)]
    if degree >= 1:
        columns += [-SH_C1 * y, SH_C1 * z, -SH_C1 * x]
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        columns += [
            SH_C2[0] * x * y,
            SH_C2[1] * y * z,
            SH_C2[2] * (2 * zz - xx - yy),
            SH_C2[3] * x * z,
            SH_C2[4] * (xx - yy),
        ]
    if degree >= 3:
        columns += [
            SH_C3[0] * y * (3 * xx - yy),
            SH_C3[1] * x * y * z,
            SH_C3[2] * y * (4 * zz - xx - yy),
            SH_C3[3] * z * (2 * zz - 3 * xx - 3 * yy),
            SH_C3[4] * x * (4 * zz - xx - yy),
            SH_C3[5] * z * (xx - yy),
            SH_C3[6] * x * (xx - 3 * yy),
        ]
    return np.stack(columns, axis=1)


def rotation_matrix(rotation: Array, degree: int) -> NDArray[np.float64]:
    """Matrix that rotates a channel's coefficients together with the world.

    A function f with coefficients c becomes f(R^-1 d) with coefficients M c. Each band is solved
    from samples of the basis, which is exact to rounding because a band is closed under rotation.

    Parameters
    ----------
    rotation : (3, 3) float
        Orthogonal; a reflection is allowed.

    Returns
    -------
    ((degree + 1)**2, (degree + 1)**2) float64, block diagonal
    """
    samples = np.random.default_rng(0).normal(size=(64, 3))
    samples /= np.linalg.norm(samples, axis=1, keepdims=True)
    before = basis(samples @ np.asarray(rotation, dtype=np.float64), degree)
    after = basis(samples, degree)
    matrix = np.zeros((coefficient_count(degree),) * 2)
    for band in range(degree + 1):
        rows = slice(band * band, (band + 1) ** 2)
        matrix[rows, rows] = np.linalg.lstsq(after[:, rows], before[:, rows], rcond=None)[0]
    return matrix
