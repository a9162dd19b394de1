"""The oracle for every pixel: a slow, readable renderer in float64 numpy.

It draws what the INRIA rasteriser draws (Kerbl et al. 2023), one splat after another, front to
back. Two things differ from that CUDA code and only in cost: a splat's window is the exact box
outside of which no pixel reaches 1/255, where INRIA takes a square of three sigma; and splats are
sorted in float64. `Ellipsoids` are what a network makes instead of a cloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pybuild.gaussians import Gaussians
from pybuild.sh import SH_C0, basis
from pyengine.view import View

__all__ = ["Ellipsoids", "Projected", "project", "render", "render_with_transmittance", "to_uint8"]

Floats = NDArray[np.float64]

NEAR_Z = 0.2
"""Splats whose centre is not further than this along the camera's z are dropped."""
FRUSTUM_MARGIN = 1.3
"""x/z and y/z enter the Jacobian clamped to this many times the tangent of half the view."""
DILATION_CLASSIC_PX2 = 0.3
DILATION_MIP_PX2 = 0.1
"""The 2D mip filter of Mip-Splatting (Yu et al. 2023, equation 10), as its rasteriser has it."""
ALPHA_MAX = 0.99
ALPHA_MIN = 1 / 255
TRANSMITTANCE_MIN = 1e-4


_TAME = 1e18
"""A network's row with a larger number, or one that is not finite, is not drawn."""


@dataclass(frozen=True, slots=True)
class Ellipsoids:
    """Gaussians by their covariances, as a generator's program leaves them.

    Attributes
    ----------
    positions : (n, 3) float
        World units.
    covariances : (n, 6) float
        xx, xy, xz, yy, yz, zz in world units².
    opacities : (n,) float
        0 to 1; what is more is 1.
    shade : (n, 3) float or (n, K, 3) float
        Display-referred colours; or SH, DC first.
    antialiased : bool or (n,) bool
        Trained with the mip filter.
    to_model : (n, 3, 3) float, optional
        Turns a direction of the world to the space of the SH; the same space unless given.
    """

    positions: NDArray[np.floating]
    covariances: NDArray[np.floating]
    opacities: NDArray[np.floating]
    shade: NDArray[np.floating]
    antialiased: bool | NDArray[np.bool_] = False
    to_model: NDArray[np.floating] | None = None

    @classmethod
    def of_packed(
        cls, packed: NDArray[np.floating], shade: NDArray[np.floating], antialiased: bool = False
    ) -> Ellipsoids:
        """From (n, 10) rows: position, opacity, covariance."""
        return cls(packed[:, :3], packed[:, 4:], packed[:, 3], shade, antialiased)

    @classmethod
    def of_cloud(cls, gaussians: Gaussians) -> Ellipsoids:
        """The same Gaussians."""
        full = _covariance(gaussians)
        return cls(
            positions=gaussians.positions,
            covariances=full[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]],
            opacities=_opacity(gaussians),
            shade=gaussians.sh,
            antialiased=gaussians.antialiased,
        )

    @classmethod
    def joined(cls, parts: Sequence[Ellipsoids]) -> Ellipsoids:
        """All rows, in order. Colours become SH where another part has SH, all of as many bands."""
        columns = max(part.shade.shape[1] if part.shade.ndim == 3 else 0 for part in parts)
        turned = None
        if any(part.to_model is not None for part in parts):
            turned = np.concatenate([part._turned() for part in parts])
        return cls(
            positions=np.concatenate([part.positions for part in parts]),
            covariances=np.concatenate([part.covariances for part in parts]),
            opacities=np.concatenate([part.opacities for part in parts]),
            shade=np.concatenate(
                [part._with_bands(columns) if columns else part.shade for part in parts]
            ),
            antialiased=np.concatenate([_mip(part) for part in parts]),
            to_model=turned,
        )

    def _turned(self) -> NDArray[np.floating]:
        """``to_model`` of every row."""
        turn = np.eye(3) if self.to_model is None else self.to_model
        return np.broadcast_to(turn, (len(self.positions), 3, 3))

    def _with_bands(self, columns: int) -> Floats:
        """The shade as SH of so many coefficients, (n, columns, 3)."""
        shade = self.shade.astype(np.float64)
        if shade.ndim == 2:
            shade = ((shade - 0.5) / SH_C0)[:, None]
        return np.pad(shade, ((0, 0), (0, columns - shade.shape[1]), (0, 0)))

    def dyed(self, opacity: float, tint: ArrayLike) -> Ellipsoids:
        """With opacities and colours multiplied."""
        factor = np.asarray(tint, np.float64)
        shade = self.shade * factor
        if shade.ndim == 3:  # a colour is 0.5 + SH: the constant is multiplied too
            shade[:, 0] += 0.5 * (factor - 1) / SH_C0
        return replace(self, opacities=np.minimum(self.opacities, 1.0) * opacity, shade=shade)

    def moved(self, matrix: ArrayLike) -> Ellipsoids:
        """Of another space: ``matrix`` (4, 4) maps to it; the SH turn along."""
        affine = np.asarray(matrix, np.float64).reshape(4, 4)
        linear = affine[:3, :3]
        full = linear @ self.matrices() @ linear.T
        count = len(self.positions)
        return replace(
            self,
            positions=self.positions.astype(np.float64) @ linear.T + affine[:3, 3],
            covariances=full[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]],
            to_model=np.broadcast_to(np.linalg.inv(linear), (count, 3, 3)),
        )

    def matrices(self) -> Floats:
        """The covariances, (n, 3, 3)."""
        full: Floats = self.covariances[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].astype(np.float64)
        return full.reshape(-1, 3, 3)

    def take(self, index: NDArray[np.int64]) -> Ellipsoids:
        """Some rows."""
        return replace(
            self,
            positions=self.positions[index],
            covariances=self.covariances[index],
            opacities=self.opacities[index],
            shade=self.shade[index],
            antialiased=_mip(self)[index],
            to_model=None if self.to_model is None else self.to_model[index],
        )

    def tame(self) -> NDArray[np.int64]:
        """Rows whose numbers are all finite and not huge."""
        fine = np.abs(self.opacities) < _TAME
        for part in (self.positions, self.covariances, self.shade):
            fine &= (np.abs(part) < _TAME).all(axis=tuple(range(1, part.ndim)))
        return np.flatnonzero(fine)


@dataclass(frozen=True, slots=True)
class Projected:
    """The m splats that can reach a pixel, sorted front to back.

    Attributes
    ----------
    index : (m,) int64
        Rows of the cloud. Equal depths keep the order of their indices.
    depth : (m,) float64
        View-space z, in world units.
    centre_px : (m, 2) float64
        Pixel centres lie at half-integers.
    covariance_px2 : (m, 3) float64
        xx, xy, yy of the projected covariance, dilated.
    conic : (m, 3) float64
        xx, xy, yy of its inverse.
    opacity : (m,) float64
        After the compensation of the mip filter, if the cloud asks for it.
    extent_px : (m, 2) float64
        Half size of the box outside of which alpha is under 1/255.
    colour : (m, 3) float64
        Display-referred, clamped at 0 from below only.
    """

    index: NDArray[np.int64]
    depth: Floats
    centre_px: Floats
    covariance_px2: Floats
    conic: Floats
    opacity: Floats
    extent_px: Floats
    colour: Floats


def render(
    gaussians: Gaussians | Ellipsoids,
    view: View,
    background: ArrayLike = (0, 0, 0),
    *,
    sh_degree: int | None = None,
) -> Floats:
    """Image of the cloud, over a background.

    Parameters
    ----------
    background : (3,) float
        Display-referred colour behind the splats.
    sh_degree : int, optional
        Evaluate the SH no higher than this; all that the cloud has if left out.

    Returns
    -------
    (height, width, 3) float64
        Display-referred, as blended: not clamped above.
    """
    image, transmittance = render_with_transmittance(gaussians, view, sh_degree=sh_degree)
    behind: Floats = np.asarray(background, dtype=np.float64)
    return image + transmittance[:, :, None] * behind


def render_with_transmittance(
    gaussians: Gaussians | Ellipsoids, view: View, *, sh_degree: int | None = None
) -> tuple[Floats, Floats]:
    """Image over black and what each pixel still lets through of the background.

    Per pixel, front to back: alpha = min(0.99, opacity * exp(-q / 2)), where q is the squared
    Mahalanobis distance; an alpha under 1/255 is passed over. The first splat that would bring
    the transmittance under 1e-4 is NOT added, and ends the pixel, as in INRIA's forward kernel.

    Returns
    -------
    image : (height, width, 3) float64
    transmittance : (height, width) float64
    """
    image = np.zeros((view.height, view.width, 3))
    transmittance = np.ones((view.height, view.width))
    open_pixels = np.ones((view.height, view.width), dtype=bool)
    splats = project(gaussians, view, sh_degree=sh_degree)
    first, last = _windows(splats, view)
    for i in range(len(splats.index)):
        (x0, y0), (x1, y1) = first[i], last[i]
        window = (slice(y0, y1), slice(x0, x1))
        still_open = open_pixels[window]
        if not still_open.any():
            continue
        dx = np.arange(x0, x1) + 0.5 - splats.centre_px[i, 0]
        dy = np.arange(y0, y1)[:, None] + 0.5 - splats.centre_px[i, 1]
        xx, xy, yy = splats.conic[i]
        q = xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy
        alpha = np.minimum(ALPHA_MAX, splats.opacity[i] * np.exp(-0.5 * q))
        hit = (alpha >= ALPHA_MIN) & still_open
        before = transmittance[window]
        after = before * (1 - alpha)
        ends = hit & (after < TRANSMITTANCE_MIN)
        still_open[ends] = False
        weight = np.where(hit & ~ends, alpha * before, 0)
        image[window] += weight[:, :, None] * splats.colour[i]
        transmittance[window] = before - weight
    return image, transmittance


def project(
    gaussians: Gaussians | Ellipsoids, view: View, *, sh_degree: int | None = None
) -> Projected:
    """Cull, project, colour and sort a cloud: all that comes before the pixels."""
    cloud = gaussians if sh_degree is None else _limited(gaussians, sh_degree)
    to_view = np.array(view.view).reshape(4, 4).T
    with np.errstate(invalid="ignore", over="ignore"):
        pos_view = cloud.positions.astype(np.float64) @ to_view[:3, :3].T + to_view[:3, 3]
    index = np.flatnonzero(pos_view[:, 2] > NEAR_Z)
    if isinstance(cloud, Ellipsoids):
        index = np.intersect1d(index, cloud.tame())
    index = index[np.argsort(pos_view[index, 2], kind="stable")]
    cloud, pos_view = cloud.take(index), pos_view[index]

    projected = _projected_covariance(_covariance(cloud), pos_view, view)
    mip = _mip(cloud)
    dilation_px2 = np.where(mip, DILATION_MIP_PX2, DILATION_CLASSIC_PX2)
    dilated = projected + dilation_px2[:, None] * np.array([1, 0, 1])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        determinant = dilated[:, 0] * dilated[:, 2] - dilated[:, 1] ** 2
        opacity = _opacity(cloud)
        sharp = projected[:, 0] * projected[:, 2] - projected[:, 1] ** 2
        opacity = opacity * np.where(mip, np.sqrt(np.maximum(0, sharp / determinant)), 1.0)
        conic = dilated[:, [2, 1, 0]] * np.array([1, -1, 1]) / determinant[:, None]
        reach = 2 * np.log(255 * opacity)
        extent_px = np.sqrt(reach[:, None] * dilated[:, [0, 2]])
        centre_px = pos_view[:, :2] / pos_view[:, 2:] * (view.fx, view.fy) + (view.cx, view.cy)
        low, high = centre_px - extent_px, centre_px + extent_px
        keep = (opacity >= ALPHA_MIN) & (determinant > 0) & np.isfinite(extent_px).all(axis=1)
        keep &= (high > 0).all(axis=1) & (low < (view.width, view.height)).all(axis=1)

    colour = _colour(cloud, np.flatnonzero(keep), view)
    return Projected(
        index=index[keep],
        depth=pos_view[keep, 2],
        centre_px=centre_px[keep],
        covariance_px2=dilated[keep],
        conic=conic[keep],
        opacity=opacity[keep],
        extent_px=extent_px[keep],
        colour=np.maximum(0, colour),
    )


def to_uint8(image: Floats) -> NDArray[np.uint8]:
    """Round an image to 0..255 as an 8-bit unorm target does; what is brighter than 1 clips."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _mip(cloud: Gaussians | Ellipsoids) -> NDArray[np.bool_]:
    """Of each row whether it was trained with the mip filter."""
    return np.broadcast_to(np.asarray(cloud.antialiased, bool), (len(cloud.positions),))


def _limited(gaussians: Gaussians | Ellipsoids, sh_degree: int) -> Gaussians | Ellipsoids:
    if isinstance(gaussians, Gaussians):
        return gaussians.with_sh_degree(min(sh_degree, gaussians.sh_degree))
    if gaussians.shade.ndim == 2:
        return gaussians
    return replace(gaussians, shade=gaussians.shade[:, : (sh_degree + 1) ** 2])


def _opacity(cloud: Gaussians | Ellipsoids) -> Floats:
    if isinstance(cloud, Ellipsoids):
        return np.minimum(cloud.opacities.astype(np.float64), 1.0)
    opacity: Floats = 0.5 + 0.5 * np.tanh(0.5 * cloud.opacity_logits.astype(np.float64))
    return opacity


def _colour(cloud: Gaussians | Ellipsoids, rows: NDArray[np.int64], view: View) -> Floats:
    """Colours of some rows as they are seen, (m, 3)."""
    shade: NDArray[np.floating] = cloud.sh if isinstance(cloud, Gaussians) else cloud.shade
    if shade.ndim == 2:
        return shade[rows].astype(np.float64)
    away = cloud.positions[rows].astype(np.float64) - view.position
    if isinstance(cloud, Ellipsoids) and cloud.to_model is not None:
        away = np.einsum("nij,nj->ni", cloud.to_model[rows], away)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    degree = int(np.sqrt(shade.shape[1])) - 1
    colour: Floats = np.einsum("nk,nkc->nc", basis(away, degree), shade[rows]) + 0.5
    return colour


def _covariance(cloud: Gaussians | Ellipsoids) -> Floats:
    """R S S^T R^T in world space, (n, 3, 3); the quaternions are normalised first."""
    if isinstance(cloud, Ellipsoids):
        return cloud.matrices()
    q = cloud.quaternions.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
        rotation = np.empty((len(q), 3, 3))
        rotation[:, 0] = np.stack(
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=1
        )
        rotation[:, 1] = np.stack(
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=1
        )
        rotation[:, 2] = np.stack(
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1
        )
        half = rotation * np.exp(cloud.log_scales.astype(np.float64))[:, None, :]
        return np.asarray(half @ half.transpose(0, 2, 1))


def _projected_covariance(covariance: Floats, pos_view: Floats, view: View) -> Floats:
    """xx, xy, yy in px² of J W Sigma W^T J^T (Zwicker et al. 2001), not dilated: (n, 3)."""
    z = pos_view[:, 2]
    limit_x = FRUSTUM_MARGIN * view.width / (2 * view.fx)
    limit_y = FRUSTUM_MARGIN * view.height / (2 * view.fy)
    jacobian = np.zeros((len(z), 2, 3))
    jacobian[:, 0, 0] = view.fx / z
    jacobian[:, 1, 1] = view.fy / z
    jacobian[:, 0, 2] = -view.fx * np.clip(pos_view[:, 0] / z, -limit_x, limit_x) / z
    jacobian[:, 1, 2] = -view.fy * np.clip(pos_view[:, 1] / z, -limit_y, limit_y) / z
    to_px = jacobian @ np.array(view.view).reshape(4, 4).T[:3, :3]
    with np.errstate(invalid="ignore", over="ignore"):
        full = to_px @ covariance @ to_px.transpose(0, 2, 1)
    return np.stack([full[:, 0, 0], full[:, 0, 1], full[:, 1, 1]], axis=1)


def _windows(splats: Projected, view: View) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and past-the-last pixel (x, y) of each splat's box, cut to the image."""
    size = (view.width, view.height)
    low = np.floor(splats.centre_px - splats.extent_px - 0.5)
    high = np.ceil(splats.centre_px + splats.extent_px + 0.5)
    return np.clip(low, 0, size).astype(np.int64), np.clip(high, 0, size).astype(np.int64)
