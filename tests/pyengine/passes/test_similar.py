"""When a filter rests: the pass on the native host, against its oracle, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from pyengine.errors import PlanError
from pyengine.hosts.native import NativeDevice, NativeHost
from pyengine.hosts.null import NullHost
from pyengine.passes.similar import (
    ARGUMENTS,
    CELLS_X,
    CELLS_Y,
    COUNTS,
    FRAME,
    KEPT,
    LOCAL,
    SIDE,
    argument,
    similar,
)
from pyengine.plan import (
    Buffer,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Draw,
    Part,
    Plan,
    RenderPass,
    RenderPipeline,
    Texture,
)
from pyengine.structs import FilterFrame
from tests.page.test_shaders import COMPILE, gpu_page  # noqa: F401  a fixture

Image = NDArray[np.float32]

WORKGROUPS = ((2, 3, 4), (1, 1, 1), (65535, 1, 1), *((n, 1, 2) for n in range(1, 101)))
"""Of a network of more dispatches than the pass has lanes; only the first two are there."""

SIZES = ((1, 1), (7, 3), (128, 72), (640, 360), (1280, 720))
"""Width and height: fewer texels than points, as many, and more."""

TOLERANCE = 0.01
CLEAR = 1e-3
"""The pass adds in f32 and in another order than the oracle: closer to a limit either may be right;
a sum of 9,216 numbers is good to far more digits than this share of it."""

FILL = """
@group(0) @binding(0) var<storage, read> texels: array<vec4f>;

@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  return vec4f(vec2f(f32(vertex & 1u), f32(vertex >> 1u)) * 4.0 - 1.0, 0.5, 1.0);
}

@fragment
fn fragment_main(@builtin(position) position: vec4f) -> @location(0) vec4f {
  return texels[u32(position.y) * WIDTH + u32(position.x)];
}
"""

NETWORK = """
@group(0) @binding(0) var<storage, read_write> ran: array<atomic<u32>>;
override INDEX: u32;

@compute @workgroup_size(1)
fn main() {
  atomicAdd(&ran[INDEX], 1u);
}
"""


class Oracle:
    """The decision, point by point, in float64."""

    def __init__(self) -> None:
        self.kept = np.zeros((CELLS_Y * SIDE, CELLS_X * SIDE, 3))
        self.margin = np.inf

    def runs(
        self, image: Image, background: tuple[float, ...], tolerance: float, force: bool
    ) -> bool:
        """Whether the network runs on an (h, w, 4) image; ``margin`` is how clear that was."""
        with np.errstate(invalid="ignore"):
            colors = image[..., :3] + (1 - image[..., 3:]) * np.array(background[:3], np.float32)
        seen = self.points(colors.astype(np.float64))
        difference = np.abs(np.clip(seen, 0, 1) - self.kept).max(-1)
        cells = difference.reshape(CELLS_Y, SIDE, CELLS_X, SIDE).mean((1, 3))
        is_number = bool(np.isfinite(seen).all() and np.isfinite(self.kept).all())
        asked = force or not tolerance > 0
        measures = ((cells.mean(), tolerance), (cells.max(), LOCAL * tolerance))
        self.margin = np.inf
        if is_number and not asked:
            self.margin = min(abs(found / limit - 1) for found, limit in measures)
        rests = is_number and not asked and all(found <= limit for found, limit in measures)
        if not rests:
            self.kept = np.where(np.isfinite(seen).all(-1, keepdims=True), seen.clip(0, 1), np.nan)
        return not rests

    @staticmethod
    def points(colors: NDArray[np.float64]) -> NDArray[np.float64]:
        """The texels that are looked at, as an image of 72 rows of 128."""
        height, width = colors.shape[:2]
        i, j = np.meshgrid(np.arange(CELLS_X * SIDE), np.arange(CELLS_Y * SIDE))
        x = i + (2 * j % 5 + 0.5) / 5
        y = j + (3 * i % 5 + 0.5) / 5
        columns = np.floor(x * width / (CELLS_X * SIDE) + 1e-9).astype(int)
        rows = np.floor(y * height / (CELLS_Y * SIDE) + 1e-9).astype(int)
        return colors[rows, columns]


def plan_of(width: int, height: int) -> Plan:
    """Texels to a texture, the decision on it, and a network of two dispatches that only count."""
    fill = Part(
        buffers=(
            Buffer("texels", width * height * 16, ("storage", "upload")),
            Buffer(FRAME, FilterFrame.size_bytes, ("uniform", "upload")),
        ),
        textures=(Texture("image", "rgba32float", ("render", "sample")),),
        shaders={"fill": f"const WIDTH: u32 = {width}u;\n{FILL}"},
        render=(RenderPipeline("fill", "fill", ("read",), "rgba32float"),),
        steps=(RenderPass("fill", "image", (Draw("fill", ("texels",), (3, 1)),)),),
    )
    names = [f"network.{index}" for index in range(2)]
    network = Part(
        buffers=(Buffer("ran", 8, ("storage", "readback")),),
        shaders={"network": NETWORK},
        compute=tuple(
            ComputePipeline(name, "network", ("read_write",), {"INDEX": index})
            for index, name in enumerate(names)
        ),
        steps=(
            ComputePass(
                "network",
                tuple(
                    Dispatch(name, ("ran",), argument(index)) for index, name in enumerate(names)
                ),
            ),
        ),
    )
    return Plan.of({"frame": (fill, similar("image", WORKGROUPS), network)})


class Machine:
    """The pass beside its oracle."""

    def __init__(self, device: NativeDevice, size: tuple[int, int]) -> None:
        self.host = NativeHost(*size, shared=device)
        self.host.build(plan_of(*size))
        self.oracle = Oracle()
        self.outcomes = [0, 0]

    def runs(
        self,
        image: Image,
        tolerance: float = TOLERANCE,
        background: tuple[float, float, float] = (0, 0, 0),
        force: bool = False,
    ) -> bool:
        """Ask both, check all that the pass writes, and say whether the network ran."""
        wanted = self.oracle.runs(image, background, tolerance, force)
        assert self.oracle.margin > CLEAR, "an image on the limit tests nothing"
        frame = bytearray(FilterFrame.size_bytes)
        FilterFrame.pack_into(frame, "background", *background, 0)
        FilterFrame.pack_into(frame, "tolerance", tolerance)
        FilterFrame.pack_into(frame, "force", int(force))
        self.host.write(FRAME, frame)
        self.host.write("texels", np.ascontiguousarray(image, np.float32).tobytes())
        self.host.run("frame")
        arguments = self.read(ARGUMENTS).reshape(-1, 4)
        runs = bool(arguments[0, 0])
        table = np.array([(*xyz, 0) for xyz in WORKGROUPS])
        np.testing.assert_array_equal(arguments, table * runs)
        self.outcomes[not runs] += 1
        assert self.read(COUNTS).tolist() == self.outcomes
        assert self.read("ran").tolist() == [24 * self.outcomes[0], self.outcomes[0]]
        assert runs == wanted
        return runs

    def read(self, buffer: str) -> NDArray[np.uint32]:
        """Words of a buffer."""
        return np.frombuffer(self.host.read(buffer), np.uint32)


@pytest.fixture(scope="module")
def machine(adapter: Any) -> Iterator[Callable[[tuple[int, int]], Machine]]:
    """Makes machines of a size on one device."""
    device = NativeDevice(adapter)
    yield lambda size: Machine(device, size)
    device.close()


def picture(size: tuple[int, int], seed: int = 0) -> Image:
    """Premultiplied noise between 0.2 and 0.8 of its coverage, half covered to wholly."""
    random = np.random.default_rng(seed)
    image = random.uniform(0.2, 0.8, (size[1], size[0], 4)).astype(np.float32)
    image[..., 3] = random.uniform(0.5, 1.0, image.shape[:2])
    image[..., :3] *= image[..., 3:]
    return image


@pytest.mark.gpu
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_rests_until_enough_has_changed(
    machine: Callable[[tuple[int, int]], Machine], size: tuple[int, int]
) -> None:
    """The first image, itself again, a small change, many that add up, and itself again."""
    one = machine(size)
    image = picture(size)
    assert one.runs(image)
    assert not one.runs(image)
    drifting = image.copy()
    outcomes = []
    for _ in range(9):
        drifting[..., :3] += np.float32(0.3 * TOLERANCE)
        outcomes.append(one.runs(drifting))
    assert outcomes == [False, False, False, True, False, False, False, True, False]


@pytest.mark.gpu
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_runs_when_it_is_told_to(
    machine: Callable[[tuple[int, int]], Machine], size: tuple[int, int]
) -> None:
    """By force, and by a tolerance of 0, or of no number; which do not outlast their frame."""
    one = machine(size)
    image = picture(size)
    assert one.runs(image)
    assert one.runs(image, force=True)
    assert one.runs(image, tolerance=0.0)
    assert one.runs(image, tolerance=-1.0)
    assert one.runs(image, tolerance=np.nan)
    assert not one.runs(image)
    assert not one.runs(1 - image, tolerance=1.0), "all images are within 1 of each other"


@pytest.mark.gpu
def test_what_was_forced_is_what_is_kept(machine: Callable[[tuple[int, int]], Machine]) -> None:
    """Later images are compared with it, although it was itself within the tolerance."""
    one = machine((160, 90))
    image = picture((160, 90))
    assert one.runs(image)
    assert one.runs(image + np.float32(0.7 * TOLERANCE), force=True)
    assert not one.runs(image + np.float32(1.4 * TOLERANCE))


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("size", "side_px"), [((320, 180), 5), ((640, 360), 12), ((1280, 720), 20)], ids=str
)
def test_a_small_bright_thing_is_seen(
    machine: Callable[[tuple[int, int]], Machine], size: tuple[int, int], side_px: int
) -> None:
    """Its share of the image, of the mean, is far below the tolerance; it moves, and it goes."""
    one = machine(size)
    image = picture(size)
    image[..., 3] = 1
    image[..., :3] *= 0.1
    assert one.runs(image)
    for left in (0, size[0] // 2, size[0] - side_px):
        for top in (0, size[1] // 3, size[1] - side_px):
            moved = image.copy()
            moved[top : top + side_px, left : left + side_px, 1] = 1
            assert moved[..., 1].mean() - image[..., 1].mean() < TOLERANCE / 4
            assert one.runs(moved), (left, top)
            assert not one.runs(moved)
    assert one.runs(image)


@pytest.mark.gpu
def test_a_thing_of_low_contrast_is_let_go(machine: Callable[[tuple[int, int]], Machine]) -> None:
    """Of the same size, but below the limit of a cell."""
    one = machine((640, 360))
    image = picture((640, 360))
    image[..., 3] = 1
    assert one.runs(image)
    image[100:112, 300:312, 1] += 0.9 * LOCAL * TOLERANCE
    assert not one.runs(image)


@pytest.mark.gpu
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", range(4))
@pytest.mark.parametrize("size", [(1, 1), (640, 360)], ids=str)
def test_what_is_no_number_has_changed(
    machine: Callable[[tuple[int, int]], Machine],
    size: tuple[int, int],
    channel: int,
    value: float,
) -> None:
    """While it is there, each frame; and once more when it has gone, whatever stands there then."""
    one = machine(size)
    image = picture(size)
    broken = image.copy()
    broken[size[1] // 2 : size[1] // 2 + 9, size[0] // 2 : size[0] // 2 + 9, channel] = value
    assert one.runs(image)
    assert one.runs(broken)
    assert one.runs(broken)
    assert one.runs(np.zeros_like(image) if size == (1, 1) else image)
    assert not one.runs(np.zeros_like(image) if size == (1, 1) else image)


@pytest.mark.gpu
def test_a_new_background_is_a_change(machine: Callable[[tuple[int, int]], Machine]) -> None:
    """Where the image does not cover it; and only there."""
    one = machine((160, 90))
    image = picture((160, 90))
    assert one.runs(image, background=(0.1, 0.2, 0.3))
    assert not one.runs(image, background=(0.1, 0.2, 0.3))
    assert one.runs(image, background=(0.1, 0.9, 0.3))
    image[..., 3] = 1
    assert one.runs(image)
    assert not one.runs(image, background=(1, 0, 1))


@pytest.mark.gpu
def test_brighter_than_white_is_white(machine: Callable[[tuple[int, int]], Machine]) -> None:
    """As it is to the network, which reads 0 to 1."""
    one = machine((160, 90))
    image = np.full((90, 160, 4), 1, np.float32)
    assert one.runs(image * 1.5)
    assert not one.runs(image * 3)
    assert one.runs(image * 0.9)


@pytest.mark.gpu
def test_as_the_oracle_on_changes_of_all_sizes(
    machine: Callable[[tuple[int, int]], Machine],
) -> None:
    """Twenty images, each a little or a lot away from the one before, here or there."""
    one = machine((333, 222))
    random = np.random.default_rng(1)
    image = picture((333, 222))
    outcomes = []
    for _ in range(20):
        x, y = random.integers(0, 300), random.integers(0, 200)
        w, h = random.integers(1, 60, 2)
        image[y : y + h, x : x + w, random.integers(3)] += random.normal() * 0.4
        outcomes.append(one.runs(image, tolerance=0.02))
    assert 5 < sum(outcomes) < 18


@pytest.mark.gpu
def test_the_kept_points_are_the_oracles(machine: Callable[[tuple[int, int]], Machine]) -> None:
    """Cell after cell of the first point, then of the second."""
    one = machine((640, 360))
    one.runs(picture((640, 360)), background=(0.25, 0.5, 0.75))
    kept = np.frombuffer(one.host.read(KEPT), np.float32).reshape(SIDE, SIDE, CELLS_Y, CELLS_X, 4)
    points = kept.transpose(2, 0, 3, 1, 4).reshape(CELLS_Y * SIDE, CELLS_X * SIDE, 4)
    np.testing.assert_allclose(points[..., :3], one.oracle.kept, atol=1e-6)
    assert not points[..., 3].any()


def test_points_leave_no_large_gap() -> None:
    """As pyengine/passes/similar.py says, in texels of 640 x 360, where points are 5 apart."""
    index = np.arange(640 * 360).reshape(360, 640, 1).astype(float)
    seen = np.zeros(640 * 360, bool)
    seen[Oracle.points(index).astype(int)] = True
    grid = seen.reshape(360, 640)
    assert grid.sum() == CELLS_X * CELLS_Y * SIDE * SIDE

    def gaps(width: int, height: int) -> float:
        """Share of the places of a rectangle where it holds no point; the points repeat at 25."""
        places = [grid[y : y + height, x : x + width] for y in range(50, 75) for x in range(50, 75)]
        return sum(not place.any() for place in places) / len(places)

    assert gaps(8, 8) == gaps(25, 1) == gaps(1, 25) == 0
    assert 0 < gaps(7, 7) < 0.01
    assert gaps(3, 3) == pytest.approx(1 - 9 / 25)


def test_the_plan_keeps_the_rules() -> None:
    """The null host takes it, with a network whose dispatches follow it."""
    host = NullHost()
    plan = plan_of(64, 36)
    host.build(plan)
    assert plan.count_dispatches("frame") == 4
    twice = Plan.of({"a": (similar("image", WORKGROUPS), similar("image", WORKGROUPS))})
    with pytest.raises(PlanError, match="used twice"):
        NullHost().build(twice)


def test_a_network_without_dispatches_is_refused() -> None:
    """It would never be seen to run."""
    with pytest.raises(PlanError, match="without dispatches"):
        similar("image", ())


@pytest.mark.page
def test_tint_compiles_it(gpu_page: Page) -> None:  # noqa: F811
    """Without a warning, through the executor; with one dispatch, and with many."""
    parts = [similar("image", WORKGROUPS[:count]) for count in (1, len(WORKGROUPS))]
    plans = [Plan((), (), part.shaders, part.compute, (), {}) for part in parts]
    for plan in plans:
        result = gpu_page.evaluate(COMPILE, {"plan": plan.to_dict(), "features": []})
        assert (result["errors"], result["done"]) == ([], 1)
