"""The project stage, on the native host, against the oracle's projection of what was packed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.bundle import describe
from pybuild.gaussians import Gaussians
from pybuild.pack import pack, unpack
from pybuild.reference import Projected
from pybuild.reference import project as oracle
from pyengine.bundle import CHUNK_SIZE
from pyengine.engine import NEAR, Engine, depth_range
from pyengine.hosts.native import NativeHost
from pyengine.hosts.null import NullHost
from pyengine.passes.project import project
from pyengine.passes.sort import DIGIT_BITS, passes_for
from pyengine.plan import Plan
from pyengine.scene_plan import FRAME
from pyengine.structs import Splat
from pyengine.view import WORLD_UP, View

pytestmark = pytest.mark.gpu

DEAD = 0xFFFFFFFF
HALF = 2.0**-11
"""Relative error of rounding to a half float."""

CENTER_PX = 2e-3
"""Single precision at coordinates of some thousand pixels, through a matrix and a division."""
BORDER_PX = 0.02
"""A splat is drawn if its box holds a pixel centre; boxes are this exact."""
COVARIANCE_SHARE = 4 * HALF
"""Of the trace: axes are half floats, and enter squared; as much again for single precision."""
COLOR = 2 * HALF
"""Relative above 1, absolute below: half floats, and sums of 16 terms in single precision."""
LOG2_OPACITY = 1e-4
"""Beside a half float's rounding: single precision."""
OCTAVES = 6e-7
"""Depth in a key: log2 of a ratio in single precision."""
LARGEST_AXIS_PX = 60000.0
"""Axes are clamped to this: 65504 is the largest half float."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the shader wrote: for each row of the packed cloud, alive or not."""

    alive: NDArray[np.bool_]
    chunk_live: NDArray[np.uint32]
    keys: NDArray[np.uint32]
    center_px: Floats
    major: Floats
    minor: Floats
    color: Floats
    log2_opacity: Floats


class Projector:
    """The stage alone, for one cloud and many views."""

    def __init__(self, adapter: Any, cloud: Gaussians) -> None:
        packed = pack(cloud)
        buffers = packed.buffers()
        self.scene = describe(packed, cloud, buffers)
        self.cloud = unpack(packed)
        plan = Plan.of({FRAME: (project(self.scene),)})
        NullHost().build(plan)
        self._host = NativeHost(1, 1, adapter)
        self._host.build(plan, buffers.__getitem__)
        self.engine = Engine(self.scene, self._host)

    def close(self) -> None:
        """Free the device."""
        self._host.close()

    def run(self, view: View) -> Drawn:
        """Project for a view."""
        self.engine.draw(view)
        live = np.frombuffer(self._host.read("chunk_live"), np.uint32)
        keys = np.frombuffer(self._host.read("keys"), np.uint32)
        rows = np.frombuffer(self._host.read("splats"), np.uint8).reshape(-1, Splat.size_bytes)

        def field(name: str, dtype: Any, count: int) -> Floats:
            at = Splat.offsets[name]
            end = at + count * np.dtype(dtype).itemsize
            return np.ascontiguousarray(rows[:, at:end]).view(dtype).astype(np.float64)

        axes, color = field("axes", np.float16, 4), field("color", np.float16, 4)
        return Drawn(
            alive=(keys != DEAD) & (np.repeat(live, CHUNK_SIZE) == 1),
            chunk_live=live,
            keys=keys,
            center_px=field("center_px", np.float32, 2),
            major=axes[:, :2],
            minor=axes[:, 2:],
            color=color[:, :3],
            log2_opacity=color[:, 3],
        )

    def expected(self, view: View) -> Projected:
        """The oracle's projection of what the shader was given."""
        scale = math.log(self.engine.splat_scale)
        cloud = replace(self.cloud, log_scales=self.cloud.log_scales + np.float32(scale))
        return oracle(cloud, view, sh_degree=self.engine.sh_degree)


Start = Callable[[Gaussians], Projector]


@pytest.fixture
def start(adapter: Any) -> Iterator[Start]:
    """Starts projectors; they close with the test."""
    started: list[Projector] = []

    def start_(cloud: Gaussians) -> Projector:
        started.append(Projector(adapter, cloud))
        return started[-1]

    yield start_
    for projector in started:
        projector.close()


def check(projector: Projector, view: View, min_drawn: int = 1) -> Drawn:
    """Compare every quantity of every splat."""
    drawn, expected = projector.run(view), projector.expected(view)
    rows = _check_visible(drawn, expected, view)
    assert len(rows) >= min_drawn, "the test looks at too little"
    place = np.searchsorted(np.sort(expected.index), rows)
    of = np.argsort(expected.index)[place]

    np.testing.assert_allclose(
        drawn.center_px[rows], expected.centre_px[of], rtol=1e-5, atol=CENTER_PX
    )
    _check_covariance(drawn, expected, rows, of)
    np.testing.assert_allclose(
        drawn.color[rows], np.minimum(expected.colour[of], 1000), rtol=COLOR, atol=COLOR
    )
    log2_opacity = np.log2(expected.opacity[of])
    np.testing.assert_allclose(drawn.log2_opacity[rows], log2_opacity, rtol=HALF, atol=LOG2_OPACITY)
    _check_keys(projector, view, drawn.keys[rows], expected.depth[of])
    return drawn


def _check_visible(drawn: Drawn, expected: Projected, view: View) -> NDArray[np.int64]:
    """Drawn is what the oracle draws and what holds a pixel's centre; the rows that both draw."""
    size = np.array([view.width, view.height])

    def holds_a_pixel(margin_px: float) -> NDArray[np.bool_]:
        low = expected.centre_px - expected.extent_px - margin_px
        high = expected.centre_px + expected.extent_px + margin_px
        first = np.maximum(np.ceil(low - 0.5), 0)
        last = np.minimum(np.floor(high - 0.5), size - 1)
        return np.asarray((first <= last).all(axis=1))

    rows = np.flatnonzero(drawn.alive)
    surely = expected.index[holds_a_pixel(-BORDER_PX)]
    at_most = expected.index[holds_a_pixel(BORDER_PX)]
    assert np.isin(surely, rows).all(), "splats are missing"
    assert np.isin(rows, at_most).all(), "splats are drawn that cannot show"
    return rows


def _check_covariance(
    drawn: Drawn, expected: Projected, rows: NDArray[np.int64], of: NDArray[np.int64]
) -> None:
    """The axes reach to the ellipse alpha = 1/255, at a radius that follows from the opacity."""
    covariance = expected.covariance_px2[of]
    radius2 = 2 * np.log(255 * expected.opacity[of])
    middle = 0.5 * (covariance[:, 0] + covariance[:, 2])
    spread = np.hypot(0.5 * (covariance[:, 0] - covariance[:, 2]), covariance[:, 1])
    whole = np.sqrt(radius2 * (middle + spread)) < LARGEST_AXIS_PX
    rows, radius2, covariance = rows[whole], radius2[whole], covariance[whole]
    major, minor = drawn.major[rows], drawn.minor[rows]
    dot = np.abs((major * minor).sum(axis=1))
    lengths = np.linalg.norm(major, axis=1) * np.linalg.norm(minor, axis=1)
    assert (dot <= 4 * HALF * lengths).all(), "the axes are not perpendicular"
    columns = [(0, 0), (0, 1), (1, 1)]
    got = np.stack([major[:, i] * major[:, j] + minor[:, i] * minor[:, j] for i, j in columns], 1)
    error = np.abs(got / radius2[:, None] - covariance).max(axis=1)
    # Near 1/255 the radius is the root of a small difference.
    share = COVARIANCE_SHARE + 1e-5 / radius2
    excess = error / covariance[:, [0, 2]].sum(axis=1) / share
    for i in np.flatnonzero(excess > 1):
        pytest.fail(f"row {rows[i]}: covariance {got[i] / radius2[i]}, not {covariance[i]}")


def _check_keys(projector: Projector, view: View, keys: NDArray[np.uint32], depth: Floats) -> None:
    near, far = depth_range(projector.scene.bounds, view)
    largest = 2.0 ** (passes_for(projector.scene.count) * DIGIT_BITS) - 1
    exact = np.clip(np.log2(depth / near) / math.log2(far / near), 0, 1) * largest
    tolerance = 1 + OCTAVES * largest * max(1, 1 / math.log2(far / near))
    assert (np.abs(keys - exact) <= tolerance).all(), "keys are not log2 of depth"


def random_cloud(n: int, sh_degree: int, seed: int, antialiased: bool = False) -> Gaussians:
    """Within 3 units of the origin; sizes from points to a tenth of that."""
    random = np.random.default_rng(seed)
    quaternions = random.normal(size=(n, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    arrays = (
        random.normal(size=(n, 3)).clip(-3, 3),
        random.uniform(-7, -1, (n, 3)),
        quaternions,
        random.uniform(-6, 8, n),
        random.normal(size=(n, (sh_degree + 1) ** 2, 3)) * 0.4,
    )
    return Gaussians(*(a.astype(np.float32) for a in arrays), antialiased)


def look(eye: tuple[float, float, float], fov_deg: float = 60, **changes: float) -> View:
    """From a point to the origin, 320 x 200; ``changes`` of fx, fy, cx, cy in pixels."""
    return replace(View.look_at(eye, (0, 0, 0), WORLD_UP, fov_deg, 320, 200), **changes)


OUTSIDE, INSIDE = look((2.0, -1.5, -5.0)), look((0.2, 0.1, -0.4), fov_deg=90)


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("sh_degree", range(4))
def test_every_degree_from_outside_and_inside(
    start: Start, sh_degree: int, antialiased: bool
) -> None:
    """From inside, splats lie behind the camera, across the near plane and beyond every edge."""
    projector = start(random_cloud(3000, sh_degree, 1 + sh_degree, antialiased))
    assert projector.scene.sh_degree == sh_degree
    check(projector, OUTSIDE, 1500)
    check(projector, INSIDE, 300)


@pytest.mark.parametrize("limit", range(4))
def test_a_lower_degree_on_request(start: Start, limit: int) -> None:
    """`Engine.sh_degree` leaves the bands above out."""
    projector = start(random_cloud(1000, 3, 9))
    projector.engine.sh_degree = limit
    check(projector, OUTSIDE, 500)


def test_splat_scale(start: Start) -> None:
    """It multiplies every sigma, the reach of chunks included."""
    projector = start(random_cloud(1000, 1, 10))
    for scale in (0.1, 3.0):
        projector.engine.splat_scale = scale
        check(projector, OUTSIDE, 300)


@pytest.mark.parametrize(
    "changes",
    [
        {"fx": 400.0, "fy": 150.0},
        {"cx": 20.0, "cy": 190.0},
        {"cx": -60.0, "cy": 260.0, "fx": 300.0, "fy": 320.0},
        {"cx": 400.0, "fx": 500.0, "fy": 60.0},
    ],
    ids=str,
)
def test_pixels_that_are_not_square_and_a_shifted_centre(
    start: Start, changes: dict[str, float]
) -> None:
    """Tiles of a large picture have their principal point outside of their own image."""
    projector = start(random_cloud(3000, 1, 11))
    check(projector, look((2.0, -1.5, -5.0), **changes), 100)
    check(projector, look((0.2, 0.1, -0.4), 90, **changes), 20)


def test_the_near_cut(start: Start) -> None:
    """A centre at 0.2 or nearer is not drawn, however large the splat."""
    depths = np.array([-1.0, 0.0, 0.1, 0.19, 0.199, 0.201, 0.21, 0.5])
    cloud = random_cloud(len(depths), 0, 12)
    cloud.positions[:] = np.stack([0 * depths, 0 * depths, depths], axis=1)
    cloud.log_scales[:], cloud.opacity_logits[:] = -1.0, 3.0
    projector = start(cloud)
    identity = tuple(np.eye(4).ravel().tolist())
    drawn = check(projector, View(64, 64, 50.0, 50.0, 32.0, 32.0, identity))
    assert NEAR == 0.2
    assert drawn.alive.sum() == 3


def test_chunks_out_of_sight(start: Start) -> None:
    """Two far clusters: the one that is looked away from costs nothing, and its rows are stale.

    No chunk with a splat that the oracle draws is ever culled, however close to the edge.
    """
    cloud = random_cloud(4096, 0, 13)
    cloud.positions[:2048, 0] += 60
    cloud.positions[2048:, 0] -= 60
    projector = start(cloud)
    check(projector, OUTSIDE, 0)
    fewest = len(projector.run(OUTSIDE).chunk_live)
    for degrees in range(0, 360, 6):
        angle = math.radians(degrees)
        target = (10 * math.sin(angle), 0.5, 10 * math.cos(angle))
        view = View.look_at((0.0, 0.0, 0.0), target, WORLD_UP, 50, 64, 48)
        drawn = check(projector, view, 0)
        culled = np.flatnonzero(drawn.chunk_live[: projector.scene.chunk_count] == 0)
        assert not np.isin(projector.expected(view).index // CHUNK_SIZE, culled).any()
        fewest = min(fewest, int(drawn.chunk_live.sum()))
    assert fewest == 0, "looking at nothing culls all"


def test_flat_and_pointlike_splats(start: Start) -> None:
    """Readers give scales of -inf: a disc, a needle and a point are dilated like any other.

    Under the mip filter a needle's opacity was off by 11 % and some were lost: the shader took the
    determinant as xx * zz - xy², of which single precision leaves nothing for a needle.
    """
    cloud = random_cloud(2000, 0, 14)
    axes = np.random.default_rng(15).random((2000, 3)) < 0.5
    cloud.log_scales[axes] = -np.inf
    cloud.log_scales[:256] = -np.inf
    check(start(cloud), OUTSIDE, 500)
    check(start(replace(cloud, antialiased=True)), OUTSIDE, 100)


def test_opacity_at_its_ends(start: Start) -> None:
    """+inf is opaque, -inf is not drawn, and neither makes a number that is none."""
    cloud = random_cloud(1000, 0, 16)
    cloud.opacity_logits[::3] = np.inf
    cloud.opacity_logits[1::3] = -np.inf
    drawn = check(start(cloud), OUTSIDE, 300)
    assert np.isfinite(drawn.log2_opacity[drawn.alive]).all()


def test_enormous_splats(start: Start) -> None:
    """Skies are made of splats far larger than the scene; their centres lie off the image."""
    cloud = random_cloud(600, 1, 17)
    cloud.log_scales[::2] += 6.0
    cloud.positions[::2] *= 20
    projector = start(cloud)
    check(projector, OUTSIDE, 200)
    check(projector, INSIDE, 100)


def test_colours_beyond_white_and_below_black(start: Start) -> None:
    """Brighter than 1 stays as it is; less than nothing is nothing."""
    cloud = random_cloud(1000, 0, 18)
    cloud.sh[:] *= 30
    drawn = check(start(cloud), OUTSIDE, 500)
    assert drawn.color[drawn.alive].max() > 5
    assert drawn.color[drawn.alive].min() == 0


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257])
def test_counts_around_a_chunk(start: Start, count: int) -> None:
    """Padding is never drawn."""
    projector = start(random_cloud(count, 1, 19))
    drawn = check(projector, OUTSIDE, int(0.4 * count))
    assert not drawn.alive[count:].any()


def test_more_passes_more_depth(start: Start) -> None:
    """Above 2**18 Gaussians keys have 24 bits."""
    cloud = random_cloud((1 << 18) + 1, 0, 20)
    drawn = check(start(cloud), OUTSIDE, 100_000)
    assert drawn.keys[drawn.alive].max() > 1 << 16
