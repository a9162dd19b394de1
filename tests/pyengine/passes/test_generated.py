"""What a network made, on the native host, against the oracle; the work that follows a count."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.networks import Network
from pybuild.reference import Ellipsoids, to_uint8
from pybuild.reference import render as oracle
from pybuild.render import Renderer
from pyengine.bundle import CHUNK_SIZE
from pyengine.hosts.native import NativeHost
from pyengine.hosts.null import NullHost
from pyengine.passes.sort import PORTABLE, SERIAL, Variant, subgroup_variant
from pyengine.plan import Adapter
from pyengine.structs import DrawArgs, LiveArgs, SortState
from pyengine.view import WORLD_UP, View
from tests.pyengine.generators import Array, Made, gaussians, generator, placed
from tests.pyengine.scenes import psnr_db

pytestmark = pytest.mark.gpu

ORACLE_DB = 45.0
"""Half floats, bits of depth and an 8-bit canvas together."""
N = 300
"""Two chunks, the second one not full."""
VIEW = View.look_at((0.6, -0.8, -3.6), (0.0, 0.0, 0.0), WORLD_UP, 50, 128, 96)
VARIANTS = {"portable": PORTABLE, "subgroups": subgroup_variant(8), "serial": SERIAL}


@contextmanager
def shown(made: Made, adapter: Any) -> Iterator[Renderer]:
    """The generator on the adapter."""
    network = Network(made.compiled.program, made.compiled.files)
    files = made.compiled.files.__getitem__
    with Renderer(made.scene, files, VIEW.width, VIEW.height, network, adapter) as renderer:
        NullHost(NativeHost.describe(adapter).limits).build(renderer.plan)
        yield renderer


def give(renderer: Renderer, packed: Array, shade: Array, count: Sequence[int] = ()) -> None:
    """Rows for the network to pass on."""
    renderer.engine.set_input("packed", packed.tobytes())
    renderer.engine.set_input("shade", shade.tobytes())
    if count:
        renderer.engine.set_input("count", list(count))


def expected(made: Made, packed: Array, shade: Array, counts: Sequence[int] = ()) -> NDArray[Any]:
    """The oracle's picture of all instances."""
    spec = made.spec
    parts = []
    if "gaussian.sh" in {tensor.name for tensor in made.compiled.program.outputs}:
        shade = shade.reshape(len(shade), -1, 3)
    for index, matrix in enumerate(spec.transforms):
        start = index * spec.capacity
        live = counts[index] if counts else spec.capacity
        rows = slice(start, start + max(0, min(live, spec.capacity)))
        part = Ellipsoids.of_packed(packed[rows], shade[rows], made.scene.antialiased)
        parts.append(part.moved(np.reshape(matrix, (4, 4)).T))
    return to_uint8(oracle(Ellipsoids.joined(parts), VIEW))


def near(image: NDArray[Any], wanted: NDArray[Any]) -> None:
    """The same picture, and not of nothing."""
    assert wanted.max() > 100
    assert psnr_db(image, wanted) >= ORACLE_DB


@pytest.mark.parametrize("antialiased", [False, True])
def test_colours(adapter: Any, antialiased: bool) -> None:
    """Covariances and colours; with the mip filter the opacity is compensated."""
    made = generator(N, antialiased=antialiased)
    packed, shade = gaussians(N)
    with shown(made, adapter) as renderer:
        give(renderer, packed, shade)
        near(renderer.draw(VIEW), expected(made, packed, shade))


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_sh(adapter: Any, degree: int) -> None:
    """Along the ray from the camera to each centre."""
    made = generator(N, sh_degree=degree)
    packed, shade = gaussians(N, 3 * (degree + 1) ** 2)
    with shown(made, adapter) as renderer:
        give(renderer, packed, shade)
        near(renderer.draw(VIEW), expected(made, packed, shade))


def test_sizes_and_bands_that_the_frame_asks_for(adapter: Any) -> None:
    """Every sigma times a number; no more bands of SH than wanted."""
    made = generator(N, sh_degree=2)
    packed, shade = gaussians(N, 27)
    with shown(made, adapter) as renderer:
        give(renderer, packed, shade)
        full = renderer.draw(VIEW)
        renderer.engine.sh_degree = 1
        low = Ellipsoids.of_packed(packed, shade.reshape(N, 9, 3)[:, :4])
        near(renderer.draw(VIEW), to_uint8(oracle(low, VIEW)))
        renderer.engine.sh_degree, renderer.engine.splat_scale = 2, 0.5
        smaller = packed.copy()
        smaller[:, 4:] *= 0.25
        image = renderer.draw(VIEW)
        near(image, expected(made, smaller, shade))
        assert psnr_db(image, full) < ORACLE_DB


def turned(angle: float, scale: float, offset: Sequence[float]) -> tuple[float, ...]:
    """A similarity about the y axis, column-major."""
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return (c, 0.0, -s, 0.0, 0.0, scale, 0.0, 0.0, s, 0.0, c, 0.0, *offset, 1.0)


def test_instances(adapter: Any) -> None:
    """Each in its place, turned and scaled; its SH turn along, also in an affine one."""
    squashed = (0.5, 0.0, 0.0, 0.0, 0.2, 0.9, 0.0, 0.0, 0.0, 0.0, 0.7, 0.0, 0.4, 0.3, 0.0, 1.0)
    matrices = (turned(2.0, 0.6, (-0.6, 0.1, 0.4)), squashed)
    made = generator(N, 2, sh_degree=2, transforms=matrices)
    packed, shade = gaussians(2 * N, 27)
    with shown(made, adapter) as renderer:
        give(renderer, packed, shade)
        near(renderer.draw(VIEW), expected(made, packed, shade))
        plain = replace(made.spec, transforms=generator(N, 2, sh_degree=2).spec.transforms)
        other = expected(replace(made, scene=replace(made.scene, generator=plain)), packed, shade)
        assert psnr_db(renderer.draw(VIEW), other) < ORACLE_DB, "the matrices do nothing"


def test_instances_that_share_their_colours(adapter: Any) -> None:
    """Which then lie there once."""
    made = generator(N, 2, is_shared=True, transforms=placed((-0.5, 0, 0), (0.5, 0, 0.3)))
    packed, _ = gaussians(2 * N)
    _, shade = gaussians(N, seed=9)
    with shown(made, adapter) as renderer:
        give(renderer, packed, shade)
        near(renderer.draw(VIEW), expected(made, packed, np.concatenate([shade, shade])))


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Variant:
    """A way of sorting, whatever the adapter would take."""
    variant: Variant = request.param
    monkeypatch.setattr("pyengine.scene_plan.variant_for", lambda adapter: variant)
    return variant


def groups(renderer: Renderer, buffer: str, at: int) -> tuple[int, int, int]:
    """Indirect arguments."""
    x, y, z = renderer.read(buffer, np.uint32)[at // 4 : at // 4 + 3]
    return int(x), int(y), int(z)


def test_the_work_follows_the_count(adapter: Any, variant: Variant) -> None:
    """Workgroups of project and of the sort are those of the live rows, whatever the capacity; a
    count below 0 is 0, one above the capacity is the capacity.
    """
    capacity = 20 * CHUNK_SIZE + 17
    made = generator(capacity, counted=True)
    packed, shade = gaussians(capacity, seed=3)
    packed[:, 4:] *= 0.1
    with shown(made, adapter) as renderer:
        first = [d for d in _dispatches(renderer, "generate") if d.pipeline == "generated"]
        assert [d.workgroups.buffer for d in first] == ["live"]
        for count in (5000, capacity, 1, 0, 256, 257, -7, 10 * capacity, 2048):
            give(renderer, packed, shade, [count])
            image = renderer.draw(VIEW)
            live = max(0, min(count, capacity))
            chunks = -(-live // CHUNK_SIZE)
            tiles = -(-chunks // variant.tile_rounds)
            sorts = -(-tiles // variant.tiles_a_workgroup)
            assert groups(renderer, "live", 0) == (chunks, int(chunks > 0), 1), count
            at = LiveArgs.offsets["sort_x"]
            assert groups(renderer, "live", at) == (sorts, int(sorts > 0), 1), count
            keys = int(SortState.unpack(bytes(renderer.host.read("sort_state")), "key_count")[0])
            assert keys <= live
            drawn = np.array(
                DrawArgs.unpack(bytes(renderer.host.read("draw_args")), "draws")
            ).reshape(-1, 4)[:, 0]
            assert drawn.sum() == keys * _vertices(adapter)
            if live in (0, 257, 5000):
                wanted = expected(made, packed, shade, [live])
                assert psnr_db(image, wanted) >= ORACLE_DB, count


def _dispatches(renderer: Renderer, schedule: str) -> list[Any]:
    passes = renderer.plan.schedules[schedule]
    return [d for step in passes for d in getattr(step, "dispatches", ())]


def _vertices(adapter: Any) -> int:
    return 3 if NativeHost.describe(adapter).software else 6


def test_nothing_but_the_scan_is_sized_by_the_capacity(variant: Variant) -> None:
    """The plan itself: all else is indirect where a program counts."""
    plan = generator(1 << 19, counted=True).plan(Adapter({}, software=variant == SERIAL))
    direct = {
        dispatch.pipeline: dispatch.workgroups
        for step in plan.schedules["generate"]
        if getattr(step, "label", "") in ("live", "project", "sort")
        for dispatch in step.dispatches  # type: ignore[union-attr]
        if isinstance(dispatch.workgroups, tuple)
    }
    scans = {f"sort.scan_{i}": (variant.scan_workgroups, 1, 1) for i in range(3)}
    assert direct == {"generator.live": (1, 1, 1), **scans}


def test_counts_of_instances(adapter: Any, variant: Variant) -> None:
    """Each its own, none among them; the chunks of the live rows lie without gaps."""
    made = generator(700, 4, counted=True, transforms=placed(*[(x / 2, 0, 0) for x in range(4)]))
    packed, shade = gaussians(2800, seed=4)
    counts = [300, 0, 700, 1]
    with shown(made, adapter) as renderer:
        for given in (counts, [0, 0, 0, 256], [700] * 4, counts):
            give(renderer, packed, shade, given)
            near_image = renderer.draw(VIEW)
        near(near_image, expected(made, packed, shade, counts))
        table = renderer.read("live", np.uint32)
        assert table[LiveArgs.offsets["chunk_count"] // 4] == 2 + 0 + 3 + 1
        rows = table[LiveArgs.size_bytes // 4 :].reshape(-1, 2).tolist()
        assert rows == [[0, 300], [2, 0], [2, 700], [5, 1]]


BAD = (math.nan, math.inf, -math.inf, 1e30, -1e30)


def test_bad_rows_are_not_drawn(adapter: Any) -> None:
    """A number that is none, or huge, anywhere in a row; covariances that are none. All others are
    drawn, and the sort holds no more keys than they are.
    """
    made = generator(N)
    packed, shade = gaussians(N, seed=5)
    good_packed, good_shade = packed.copy(), shade.copy()
    bad = 0
    for column in range(13):
        for value in BAD:
            if column < 10:
                packed[bad, column] = value
            else:
                shade[bad, column - 10] = value
            good_packed[bad, 3] = 0
            bad += 1
    packed[bad, 4:] = (-1, 0, 0, -1, 0, -1)  # no covariance
    packed[bad + 1, 3], packed[bad + 2, 3] = 0, -5  # not to be seen
    packed[bad + 3, 3], good_packed[bad + 3, 3] = 7, 1
    good_packed[bad : bad + 3, 3] = 0
    with shown(made, adapter) as renderer:
        give(renderer, packed, shade)
        near(renderer.draw(VIEW), expected(made, good_packed, good_shade))
        keys = int(SortState.unpack(bytes(renderer.host.read("sort_state")), "key_count")[0])
        assert 0 < keys <= N - bad - 3


def test_all_rows_bad(adapter: Any) -> None:
    """Nothing is drawn, and the next good rows are."""
    made = generator(N, sh_degree=1)
    packed, shade = gaussians(N, 12)
    with shown(made, adapter) as renderer:
        give(renderer, np.full_like(packed, math.nan), np.full_like(shade, math.nan))
        assert not renderer.draw(VIEW).any()
        give(renderer, packed, shade)
        near(renderer.draw(VIEW), expected(made, packed, shade))


def test_no_gaussians(adapter: Any) -> None:
    """A capacity of 0."""
    with shown(generator(0), adapter) as renderer:
        assert not renderer.draw(VIEW).any()
