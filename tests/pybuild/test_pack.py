"""What packing keeps: bounds of every quantity's error, order, layout, and odd clouds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pybuild.bundle import describe
from pybuild.gaussians import Gaussians
from pybuild.pack import LOG_SCALE_FLOOR, LOG_SCALE_SPAN, Packed, morton_order, pack, unpack
from pybuild.sh import SH_C0
from pyengine.bundle import CHUNK_SIZE, SH_WORDS
from pyengine.structs import ChunkBox

Floats = NDArray[np.float64]

POSITION_SHARE = 1 / 65536
"""Of the chunk's box: half a step of 1/65,535, and as much again for single precision."""
SINGLE = 2.0**-23
"""Relative; numbers come back as float32."""
OPACITY = 0.5 / 255 + 1e-7
"""Half a step of 8 bits."""
ROTATION_RAD = 2 * math.sqrt(3 + 9) * (0.5 * math.sqrt(0.5) / 511) * 1.02
"""0.28 degrees. Three components are off by half a step each, and the fourth, which follows from
them, by three halves where all are equal; a rotation turns by twice its quaternion's angle."""
LEVELS = np.array([2047, 2047, 1023])
"""Steps of scales and colours, in 11, 11 and 10 bits."""
SH_LARGEST = 16.0
"""Coefficients above degree 0 are cut here: 2**4, the scale of code 255."""
SH_SMALLEST = 2.0**-12 * 2 ** (16 / 255)
"""Scale of code 1."""


def random_cloud(n: int, sh_degree: int = 3, seed: int = 0) -> Gaussians:
    """Like a capture: all quantities spread."""
    random = np.random.default_rng(seed)
    quaternions = random.normal(size=(n, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    return of(
        random.normal(size=(n, 3)) * [5, 1, 3] + 2,
        random.uniform(-9, 0, (n, 3)),
        quaternions,
        random.normal(size=n) * 4,
        random.normal(size=(n, (sh_degree + 1) ** 2, 3)) * 0.5,
    )


def of(*quantities: NDArray[np.floating]) -> Gaussians:
    """A cloud of arrays of any float type."""
    return Gaussians(*(np.asarray(a, np.float32) for a in quantities))


def by_chunk(values: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Smallest and largest of each row's chunk, over all rows and, of scales, over all axes."""
    low, high = np.empty(values.shape), np.empty(values.shape)
    for first in range(0, len(values), CHUNK_SIZE):
        rows = slice(first, first + CHUNK_SIZE)
        low[rows], high[rows] = values[rows].min(axis=0), values[rows].max(axis=0)
    return low, high


def opacity(logits: NDArray[np.floating]) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def angle_rad(a: NDArray[np.floating], b: NDArray[np.floating]) -> Floats:
    """Between rotations; by the chord, which small angles do not cancel in."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    chord = np.minimum(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return np.asarray(4 * np.arcsin(np.minimum(chord / 2, 1)))


SUBNORMAL = 65535 * 2.0**-149
"""World units: a step so small that f32 rounds it to its last bit, as often as there are steps."""


def check(cloud: Gaussians) -> tuple[Packed, Gaussians]:
    """Every bound, on every splat."""
    packed = pack(cloud)
    got, wanted = unpack(packed), cloud.take(packed.order[: cloud.count])
    assert sorted(packed.order) == list(range(cloud.count))
    assert got.count == cloud.count
    for name in ("positions", "log_scales", "quaternions", "sh"):
        assert np.isfinite(getattr(got, name)).all(), name
    assert not np.isnan(got.opacity_logits).any()

    low, high = by_chunk(wanted.positions.astype(np.float64))
    error = np.abs(got.positions.astype(np.float64) - wanted.positions)
    bound = (high - low) * POSITION_SHARE + np.abs(wanted.positions) * SINGLE
    assert (error <= bound + SUBNORMAL).all()

    assert (np.abs(opacity(got.opacity_logits) - opacity(wanted.opacity_logits)) <= OPACITY).all()
    assert (angle_rad(got.quaternions, wanted.quaternions) <= ROTATION_RAD).all()
    _check_scales(got, wanted)
    _check_colours(got, wanted)
    return packed, got


def _check_scales(got: Gaussians, wanted: Gaussians) -> None:
    """Half a step of the chunk's range, which is cut e**12 under its largest sigma."""
    scales = np.maximum(wanted.log_scales.astype(np.float64), LOG_SCALE_FLOOR)
    for first in range(0, len(scales), CHUNK_SIZE):
        rows = slice(first, first + CHUNK_SIZE)
        chunk = scales[rows]
        chunk = np.maximum(chunk, chunk.max() - LOG_SCALE_SPAN)
        bound = 0.5 * (chunk.max() - chunk.min()) / LEVELS + 4 * SINGLE * np.abs(chunk).max()
        assert (np.abs(got.log_scales[rows] - chunk) <= bound).all()


def _check_colours(got: Gaussians, wanted: Gaussians) -> None:
    """DC by its chunk's range; the rest by a scale of the splat's own."""
    dc = wanted.sh[:, 0].astype(np.float64)
    low, high = by_chunk(dc)
    rounding = 4 * SINGLE * (np.maximum(np.abs(low), np.abs(high)) + 0.5 / SH_C0)
    assert (np.abs(got.sh[:, 0] - dc) <= 0.5 * (high - low) / LEVELS + rounding).all()
    k = got.sh.shape[1]
    assert not wanted.sh[:, k:].any(), "only bands that are zero are left out"
    if k > 1:
        rest = np.clip(wanted.sh[:, 1:k].astype(np.float64), -SH_LARGEST, SH_LARGEST)
        largest = np.abs(rest).max(axis=(1, 2))
        scale = np.maximum(largest * 2 ** (16 / 255), SH_SMALLEST)
        error = np.abs(got.sh[:, 1:] - rest).max(axis=(1, 2))
        assert (error <= scale / 127 * 0.501).all()
        assert not got.sh[largest == 0, 1:].any(), "zero stays zero"


@pytest.mark.parametrize("sh_degree", range(4))
@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 3000])
def test_bounds(count: int, sh_degree: int) -> None:
    """On clouds like captures, around the edges of a chunk."""
    packed, _ = check(random_cloud(count, sh_degree, seed=count))
    assert packed.sh_degree == sh_degree


def f32(low: float, high: float, **options: bool) -> st.SearchStrategy[float]:
    """Floats that float32 holds, their ends and the smallest ones included."""
    return st.floats(low, high, width=32, allow_nan=False, **options)


@st.composite
def clouds(draw: st.DrawFn) -> Gaussians:
    """Up to 300 splats of any numbers that a cloud may hold."""
    n = draw(st.integers(0, 300))
    degree = draw(st.integers(0, 3))
    reach = draw(st.sampled_from([1.0, 1e-30, 1e6, 2.0**126]))
    quaternions = draw(arrays(np.float32, (n, 4), elements=f32(-1, 1)))
    quaternions = np.where(np.abs(quaternions).max(axis=1, keepdims=True) > 0.1, quaternions, 0.5)
    quaternions /= np.linalg.norm(quaternions.astype(np.float64), axis=1, keepdims=True)
    scales = st.one_of(f32(-30, 80), st.just(-math.inf))
    logits = st.one_of(f32(-200, 200), st.sampled_from([-math.inf, math.inf]))
    return of(
        draw(arrays(np.float32, (n, 3), elements=f32(-1, 1))) * np.float32(reach),
        draw(arrays(np.float32, (n, 3), elements=scales)),
        quaternions,
        draw(arrays(np.float32, n, elements=logits)),
        draw(arrays(np.float32, (n, (degree + 1) ** 2, 3), elements=f32(-1e4, 1e4))),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(clouds())
def test_bounds_hold_for_any_cloud(cloud: Gaussians) -> None:
    """Extreme numbers, equal numbers, -inf scales, infinite logits: the same bounds, no NaN."""
    if cloud.count:
        check(cloud)
    packed = pack(cloud)
    buffers = packed.buffers()
    sizes = describe(packed, cloud, buffers, background=(0, 0, 0)).expected_sizes()
    assert {name: len(data) for name, data in buffers.items()} == sizes
    assert np.isfinite(packed.chunks).all()


def test_an_empty_cloud() -> None:
    """One chunk of transparent rows, so that every binding has a buffer."""
    packed = pack(random_cloud(0))
    assert packed.count == 0
    assert packed.sh_degree == 0
    assert unpack(packed).count == 0
    assert {name: len(data) for name, data in packed.buffers().items()} == {
        "chunks": ChunkBox.size_bytes,
        "geometry": 256 * 16,
        "color": 256 * 4,
    }
    assert not (packed.geometry[:, 1] >> 16 & 255).any()


def test_one_splat_keeps_its_place_and_colour() -> None:
    """A box without extent has steps of zero."""
    cloud = random_cloud(1)
    _, got = check(cloud)
    assert (got.positions == cloud.positions).all()
    np.testing.assert_allclose(got.sh[:, 0], cloud.sh[:, 0], atol=1e-6)


@pytest.mark.parametrize("count", [1, 257, 700])
def test_padding_is_transparent(count: int) -> None:
    """Rows behind the last splat have opacity 0, and do not widen the chunk's box."""
    packed = pack(random_cloud(count))
    assert len(packed.geometry) % CHUNK_SIZE == 0
    assert not (packed.geometry[count:, 1] >> 16 & 255).any()
    last = packed.order[count // CHUNK_SIZE * CHUNK_SIZE : count]
    low = random_cloud(count).positions[last].min(axis=0)
    np.testing.assert_array_equal(packed.chunks[-1, :3], low)


@pytest.mark.parametrize(
    ("held", "real"), [(held, real) for held in range(4) for real in range(held + 1)]
)
def test_the_real_degree_is_stored(held: int, real: int) -> None:
    """Bands of zeros cost nothing; at degree 0 there is no buffer at all."""
    cloud = random_cloud(300, held)
    cloud.sh[:, (real + 1) ** 2 :] = 0
    packed = pack(cloud)
    assert packed.sh_degree == real
    assert packed.sh.shape == (512, SH_WORDS[real])
    assert ("sh" in packed.buffers()) == (real > 0)
    assert unpack(packed).sh_degree == real


def test_layout() -> None:
    """Every field where shaders/project/unpack.wgsl says; worked out by hand."""
    cloud = of(
        np.array([[0, 0, 0], [1, 2, 4]]),
        np.array([[-1, -2, -3], [-3, -2, -1]]),
        np.array([[1, 0, 0, 0], [0, 0, -1, 0]]),
        np.array([np.inf, 0.0]),
        np.zeros((2, 4, 3)),
    )
    cloud.sh[0, 0], cloud.sh[1, 0] = 0.0, 1.0
    cloud.sh[0, 1], cloud.sh[1, 3] = (1.0, -0.5, 0.25), (0, 0, -4.0)
    packed = pack(cloud)
    first, second = packed.geometry[:2].tolist()

    assert (first[0], first[1] & 0xFFFF) == (0, 0)
    assert (second[0] & 0xFFFF, second[0] >> 16, second[1] & 0xFFFF) == (65535,) * 3
    assert (first[1] >> 16 & 255, second[1] >> 16 & 255) == (255, 128)
    # 2**(code * 16 / 255 - 12) is the first that is not under 1, and 4.
    assert (first[1] >> 24, second[1] >> 24) == (math.ceil(12 * 255 / 16), math.ceil(14 * 255 / 16))
    middle = 511 | 511 << 10 | 511 << 20
    assert first[2] == 0 << 30 | middle
    assert second[2] == 2 << 30 | middle
    assert first[3] == 2047 | 1024 << 11 | 0 << 22
    assert second[3] == 0 | 1024 << 11 | 1023 << 22
    assert packed.color[:2].tolist() == [0, 2047 | 2047 << 11 | 1023 << 22]

    box = packed.chunks[0]
    at = {name: offset // 4 for name, offset in ChunkBox.offsets.items()}
    low, step = at["position_min"], at["position_step"]
    np.testing.assert_array_equal(box[low : low + 4], np.float32([0, 0, 0, -3]))
    np.testing.assert_allclose(box[step : step + 3] * 65535, [1, 2, 4], rtol=1e-6)
    np.testing.assert_allclose(box[step + 3] * 2047, 2, rtol=1e-6)
    low, step = at["color_min"], at["color_step"]
    np.testing.assert_allclose(box[low : low + 3], 0.5, rtol=1e-6)
    reach = math.exp(-1) * math.sqrt(2 * math.log(255))
    assert reach <= box[low + 3] <= 1.01 * reach
    np.testing.assert_allclose(box[step : step + 3] * LEVELS, SH_C0, rtol=1e-6)

    coefficients = packed.sh.view(np.int8)
    scale = 2.0 ** ((first[1] >> 24) * 16 / 255 - 12)
    red, green, blue = (round(127 * c / scale) for c in (1.0, -0.5, 0.25))
    assert coefficients[0].tolist() == [red, green, blue, *[0] * 9]
    assert coefficients[1, :8].tolist() == [0] * 8
    assert coefficients[1, 8] < -120


def test_chunks_are_compact() -> None:
    """Morton order: a chunk of a filled cube spans about a 64th of it, not all of it.

    64 perfect cubes would have a diagonal of a quarter of the cube's; cells along the curve are
    cut where they do not end, so half of the chunks take two neighbours.
    """
    random = np.random.default_rng(1)
    positions = random.random((64 * CHUNK_SIZE, 3)).astype(np.float32)
    chunks = positions[morton_order(positions)].reshape(64, CHUNK_SIZE, 3)
    diagonals = np.linalg.norm(np.ptp(chunks, axis=1), axis=1) / math.sqrt(3)
    assert np.median(diagonals) < 0.4
    assert diagonals.mean() < 0.4


def test_a_flat_scene_is_not_stretched() -> None:
    """One scale for all axes: a thin wall is cut into squares, not into slices of its depth."""
    random = np.random.default_rng(2)
    positions = (random.random((64 * CHUNK_SIZE, 3)) * [1, 1, 1e-3]).astype(np.float32)
    chunks = positions[morton_order(positions)].reshape(64, CHUNK_SIZE, 3)
    assert np.median(np.ptp(chunks, axis=1)[:, :2]) < 0.2


def test_equal_places_keep_their_order() -> None:
    """A stable order: the same file always gives the same bundle."""
    positions = np.zeros((500, 3), np.float32)
    assert morton_order(positions).tolist() == list(range(500))


def test_an_order_along_each_axis() -> None:
    """The curve rises with each coordinate."""
    for axis in range(3):
        positions = np.zeros((100, 3), np.float32)
        positions[:, axis] = np.linspace(5, -3, 100)
        assert morton_order(positions).tolist() == list(range(99, -1, -1))


def test_packing_what_was_packed_changes_nothing_that_shows() -> None:
    """A bundle's splats exported and built again: codes stay, but for the bounds' own rounding."""
    first = pack(random_cloud(200, 2, seed=5))
    once = unpack(first)
    second = pack(once)
    twice, once = unpack(second), once.take(second.order)
    np.testing.assert_array_equal(twice.opacity_logits, once.opacity_logits)
    size = np.ptp(once.positions, axis=0)
    assert (np.abs(twice.positions - once.positions) <= 1e-6 * size + 1e-6).all()
    np.testing.assert_allclose(twice.log_scales, once.log_scales, atol=1e-5)
    np.testing.assert_allclose(twice.sh[:, 0], once.sh[:, 0], atol=1e-5)
    assert angle_rad(twice.quaternions, once.quaternions).max() < 1e-5


def test_the_mip_flag_goes_through() -> None:
    """It chooses the shader's dilation."""
    cloud = replace(random_cloud(3), antialiased=True)
    assert pack(cloud).antialiased
    assert unpack(pack(cloud)).antialiased
    assert pack(replace(random_cloud(0), antialiased=True)).antialiased


def test_progress_is_told() -> None:
    """From 0 to 1, never backwards."""
    told: list[float] = []
    pack(random_cloud(10), lambda _what, done: told.append(done))
    assert told[0] == 0
    assert told[-1] == 1
    assert told == sorted(told)
