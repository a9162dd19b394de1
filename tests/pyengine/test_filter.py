"""Filters in the frame, natively: what is shown, when networks run, and what a frame costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.filters.bundle import MadeFilter, make_filters
from pybuild.gaussians import Gaussians
from pybuild.poster import start_view
from pybuild.render import Renderer, in_memory, render
from pyengine.errors import BundleError, InputError
from pyengine.filter import Filter, ladder
from pyengine.filter_spec import FilterSpec, Rung, StageSpec
from pyengine.hosts.null import NullHost
from pyengine.passes.similar import COUNTS
from pyengine.plan import Adapter
from pyengine.scene_plan import FRAME, scene_plan
from pyengine.view import View
from tests.pyengine import filters

SIZE = (96, 64)
Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def scene(cloud: Gaussians) -> Any:
    """A small cloud, packed."""
    return in_memory(cloud)


@pytest.fixture(scope="module")
def view(scene: Any) -> View:
    """Its first camera."""
    return start_view(scene[0], *SIZE)


@pytest.fixture(scope="module")
def plain(scene: Any, view: View) -> Image:
    """The image without a filter."""
    return render(*scene, view)


@contextmanager
def drawing(scene: Any, made: MadeFilter, rests: bool = False) -> Iterator[Renderer]:
    """A renderer with a filter."""
    filtering = made.filtering(rests=rests)
    with Renderer(*scene, *SIZE, None, None, filtering, made.files()) as renderer:
        yield renderer


def make(path: Path | str, shown: tuple[int, int] = SIZE) -> MadeFilter:
    """A filter for one size."""
    return make_filters([str(path)], shown)[0]


def filtered(scene: Any, view: View, made: MadeFilter) -> Image:
    """The image through a filter."""
    return render(*scene, view, filtering=made.filtering(), filter_files=made.files())


def off_by(a: Image, b: NDArray[Any]) -> int:
    """Largest difference of two images, steps of 8 bits."""
    return int(np.abs(a.astype(int) - np.asarray(b).astype(int)).max())


def test_pixels_of_a_filter(scene: Any, view: View, plain: Image, tmp_path: Path) -> None:
    """The canvas shows what the network makes of the blended image, to a step of rounding."""
    assert plain.std() > 5  # something is drawn
    assert off_by(filtered(scene, view, make(filters.negative(tmp_path))), 255 - plain) <= 1


def test_a_chain_runs_in_order(scene: Any, view: View, plain: Image, tmp_path: Path) -> None:
    """Half of the negative is not the negative of the half."""
    a, b = filters.negative(tmp_path), filters.halved(tmp_path)
    assert off_by(filtered(scene, view, make(f"{a}+{b}")), (255 - plain) / 2) <= 1
    assert off_by(filtered(scene, view, make(f"{b}+{a}")), 255 - plain / 2) <= 1


def test_the_render_is_of_the_size_that_the_filter_reads(
    scene: Any, view: View, tmp_path: Path
) -> None:
    """A filter that makes two pixels of one shows splats that were drawn at half the size."""
    made = make(filters.doubled(tmp_path))
    assert made.spec.rungs[0] == Rung((48, 32), SIZE, made.spec.rungs[0].programs)
    small = render(*scene, view.stretched(48, 32))
    assert off_by(filtered(scene, view, made), small.repeat(2, 0).repeat(2, 1)) <= 1


def test_strength_and_split(scene: Any, view: View, plain: Image, tmp_path: Path) -> None:
    """What is mixed and what is left as it is; the network does not run for either."""
    with drawing(scene, make(filters.negative(tmp_path))) as renderer:
        shown = renderer.engine.filter
        assert shown is not None
        whole = renderer.draw(view)
        ran: list[str] = []
        run = renderer.host.run
        renderer.host.run = lambda name: (ran.append(name), run(name))[1]  # type: ignore[method-assign]
        shown.set_shown(strength=0.25)
        assert off_by(renderer.draw(view), 0.75 * plain + 0.25 * whole) <= 1
        shown.set_shown(strength=0.0)
        assert off_by(renderer.draw(view), plain) == 0
        shown.set_shown(strength=1.0, split=0.5)
        halves = renderer.draw(view)
        assert off_by(halves[:, :46], plain[:, :46]) == 0
        assert off_by(halves[:, 50:], whole[:, 50:]) == 0
        assert (halves[:, 47:49] == 255).all()  # the line between
        assert ran == ["present"] * 3
        assert not renderer.engine.draw(view)  # nothing changed
        for bad in (float("nan"), -0.1, 1.5):
            with pytest.raises(InputError, match="from 0 to 1"):
                shown.set_shown(split=bad)


def test_a_slider_runs_the_network_alone(
    scene: Any, view: View, plain: Image, tmp_path: Path
) -> None:
    """The splats are not drawn anew for an input of the filter."""
    with drawing(scene, make(filters.gain(tmp_path)), rests=True) as renderer:
        assert off_by(renderer.draw(view), plain / 2) <= 1
        ran: list[str] = []
        run = renderer.host.run
        renderer.host.run = lambda name: (ran.append(name), run(name))[1]  # type: ignore[method-assign]
        renderer.set_input("gain", 0.25)
        assert off_by(renderer.draw(view), plain / 4) <= 1
        assert ran == ["filter"]
        with pytest.raises(InputError, match="none of that name"):
            renderer.set_input("loss", 1.0)


def test_what_was_shown_before(scene: Any, view: View, plain: Image, tmp_path: Path) -> None:
    """The previous image is zeros at first, then what the last run made, whatever it shows."""
    with drawing(scene, make(filters.trail(tmp_path))) as renderer:
        assert off_by(renderer.draw(view), plain / 2) <= 1
        shown = renderer.engine.filter
        assert shown is not None
        shown.set_shown(strength=0.5)  # shows again what the first run made
        assert off_by(renderer.draw(view), 0.5 * plain + 0.25 * plain) <= 1
        shown.set_shown(strength=1.0)
        share = 0.5
        for _ in range(3):
            share = (share + 1) / 2
            shown.touch()
            assert off_by(renderer.draw(view), share * plain) <= 2
        assert renderer.faults() == 0


def test_a_state_goes_on_where_the_canvas_is_another(
    scene: Any, view: View, plain: Image, tmp_path: Path
) -> None:
    """Statistics and a canvas of another size had begun it anew, and a trail was gone with them."""
    with drawing(scene, make(filters.trail(tmp_path))) as renderer:
        for share in (0.5, 0.75, 0.875):
            assert off_by(renderer.draw(view), share * plain) <= 2
            renderer.engine.redraw()
        engine, shown = renderer.engine, renderer.engine.filter
        assert shown is not None
        shown.every = 4  # the canvas is blank: it cannot wait
        engine.draw(view)
        engine.redraw()
        assert (engine.draw(view), engine.held) == (True, False)
        assert off_by(renderer.draw(view), (1 - 0.5**5) * plain) <= 2
        wide = view.stretched(2 * SIZE[0], SIZE[1])  # the filter's image is as large as it was
        ran: list[str] = []
        run = renderer.host.run
        renderer.host.run = lambda name: (ran.append(name), run(name))[1]  # type: ignore[method-assign]
        engine.redraw()
        assert engine.draw(wide)
        assert ran == ["frame/1"]


def test_depth(scene: Any, view: View, tmp_path: Path) -> None:
    """What a filter is told of depth is the distance along the axis, of what covers the pixel."""
    made = make(filters.deep(tmp_path))
    assert made.spec.depth
    with drawing(scene, made) as renderer:
        renderer.draw(view)
        texels = np.frombuffer(renderer.host.read_texture("depth_image"), np.float32)
        if texels.size != SIZE[0] * SIZE[1] * 4:  # half floats on this adapter
            texels = np.frombuffer(renderer.host.read_texture("depth_image"), np.float16)
        texels = texels.astype(np.float64).reshape(SIZE[1], SIZE[0], 4)
        image = renderer.draw(view.stretched(*SIZE))
    covered = texels[..., 3] > 0.5
    assert covered.any()
    depth = texels[..., 0] / np.maximum(texels[..., 3], 1e-9)
    low, high = scene[0].bounds
    corners = np.array(
        [
            [(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]]
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        ]
    )
    m = np.array(view.view).reshape(4, 4)
    z = corners @ m[:3, 2] + m[3, 2]
    assert depth[covered].min() >= max(z.min(), 0.2) * 0.999
    assert depth[covered].max() <= z.max() * 1.001
    assert depth[covered].std() > 1e-3 * depth[covered].mean()
    grey = np.clip(depth * 0.1, 0, 1) * 255
    assert np.abs(image[..., 0][covered] - grey[covered]).max() <= 1


def test_numbers_that_are_not_finite(scene: Any, view: View, plain: Image, tmp_path: Path) -> None:
    """The pixels are shown as they were, the count says so, and a picture is refused."""
    made = make(filters.spoiled(tmp_path))
    with drawing(scene, made) as renderer:
        assert off_by(renderer.draw(view), plain) == 0
        assert renderer.faults() == SIZE[0] * SIZE[1]
    with pytest.raises(InputError, match=r"filter 'spoiled': made 6144 pixels .* no finite"):
        filtered(scene, view, made)


def test_a_filter_rests_while_nothing_moves(scene: Any, view: View, tmp_path: Path) -> None:
    """The GPU counts runs and rests: a still image is not filtered again, a moved one is."""
    with drawing(scene, make(filters.negative(tmp_path)), rests=True) as renderer:
        engine = renderer.engine

        def counts() -> list[int]:
            return [int(n) for n in renderer.read(COUNTS, np.uint32)[:2]]

        first = renderer.draw(view)
        assert counts() == [1, 0]
        engine.splat_scale = 1.00001  # the frame differs, no pixel does
        assert off_by(renderer.draw(view), first) <= 1
        assert counts() == [1, 1]
        engine.splat_scale = 1.5
        assert off_by(renderer.draw(view), first) > 8
        assert counts() == [2, 1]


def test_every_second_frame(scene: Any, view: View, tmp_path: Path) -> None:
    """At half the rate each second change waits, and the last is never lost."""
    with drawing(scene, make(filters.negative(tmp_path))) as renderer:
        engine = renderer.engine
        assert engine.filter is not None
        engine.draw(view)
        engine.filter.every = 2
        drawn = []
        for step in range(4):
            engine.splat_scale = 1.1 + step / 10
            drawn.append((engine.draw(view), engine.held))
        assert drawn == [(False, True), (True, False), (False, True), (True, False)]
        engine.splat_scale = 2.0
        assert (engine.draw(view), engine.held) == (False, True)
        assert (engine.draw(view), engine.held) == (True, False)
        assert (engine.draw(view), engine.held) == (False, False)


CASES: Mapping[str, tuple[Callable[[Path], Path], int]] = {
    "pointwise": (filters.negative, 1),
    "previous": (filters.trail, 1),
    "depth": (filters.deep, 2),  # its grey is computed once for all three channels
}


@pytest.mark.parametrize(("build", "dispatches"), CASES.values(), ids=CASES)
def test_what_a_filter_adds_to_a_frame(
    scene: Any, tmp_path: Path, build: Callable[[Path], Path], dispatches: int
) -> None:
    """Its kernels and the second draw of `present`: no conversion before or behind them."""
    made = make(build(tmp_path))
    for software in (False, True):
        adapter = Adapter(limits={**NullHost().limits}, software=software)
        before = scene_plan(scene[0], adapter).count_dispatches(FRAME)
        for rests in (False, True):
            plan = scene_plan(scene[0], adapter, filtering=made.filtering(rests=rests))
            NullHost().build(plan)
            similar = int(rests and not made.spec.stateful)
            assert plan.count_dispatches(FRAME) == before + dispatches + similar + 1


def test_stages_share_one_arena(scene: Any, tmp_path: Path) -> None:
    """A chain's networks do not run at the same time: the plan has the larger arena alone."""
    shared = Path(__file__).parents[2] / "assets" / "filters" / "upscaler.onnx"
    single = make(f"{shared}@size=48x32")
    chain = make(f"{shared}@size=48x32+{shared}")
    sizes = []
    for made in (single, chain):
        plan = scene_plan(
            scene[0], Adapter(limits={**NullHost().limits}), filtering=made.filtering()
        )
        NullHost().build(plan)
        sizes.append([b.size_bytes for b in plan.buffers if b.name.endswith("arena")])
    arenas = [p.report["arena_bytes"] for p in chain.filtering().programs]
    assert sizes == [[arenas[0]], [max(arenas)]]
    assert arenas[1] > arenas[0] > 0


def spec(*shapes: tuple[int, int]) -> FilterSpec:
    """A filter of some sizes."""
    rungs = tuple(Rung(shape, shape, ("p",)) for shape in shapes)
    return FilterSpec("f", (StageSpec("f"),), rungs)


def test_the_ladder_suits_the_canvas() -> None:
    """Sizes of the canvas's shape, none beyond it, the largest first; or the smallest there is."""
    made = spec((1280, 720), (640, 360), (320, 180), (720, 1280), (360, 640), (480, 480))
    assert ladder(made, 1920, 1080) == [0, 1, 2]
    assert ladder(made, 800, 450) == [1, 2]
    assert ladder(made, 100, 56) == [2]
    assert ladder(made, 400, 800) == [4]
    assert ladder(made, 500, 500) == [5]


DAMAGED: Mapping[str, tuple[dict[str, Any], str]] = {
    "no rung": ({"rungs": []}, "a stage and a rung"),
    "a program too many": (
        {"rungs": [{"render": [8, 8], "output": [8, 8], "programs": ["a", "b"]}]},
        "wanted 1 'programs'",
    ),
    "a folder outside": (
        {"rungs": [{"render": [8, 8], "output": [8, 8], "programs": ["../a"]}]},
        "plain folder names",
    ),
    "no size": ({"rungs": [{"render": [8], "output": [8, 8], "programs": ["a"]}]}, "a height"),
    "a huge size": (
        {"rungs": [{"render": [8, 1 << 20], "output": [8, 8], "programs": ["a"]}]},
        "integers 1..",
    ),
    "strength": ({"strength": 2}, "a number 0..1"),
    "an unknown key": ({"more": 1}, "unknown key"),
    "a control character": ({"name": "a\nb"}, "like"),
}


@pytest.mark.parametrize(("change", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_descriptions_are_refused(change: dict[str, Any], message: str) -> None:
    """scene.json is not trusted."""
    good = spec((8, 8)).to_dict()
    assert FilterSpec.parse(good).to_dict() == good
    with pytest.raises(BundleError, match=message):
        FilterSpec.parse(good | change)


def test_a_program_that_does_not_fit_is_refused(scene: Any, tmp_path: Path) -> None:
    """Another size than scene.json says, an input that nothing feeds."""
    made = make(filters.gain(tmp_path))
    adapter = Adapter(limits={**NullHost().limits})
    good = made.filtering()
    for rung, message in (
        (Rung((97, 64), SIZE, good.rung.programs), "texture 'render'"),
        (Rung(SIZE, (97, 64), good.rung.programs), "the scene says"),
    ):
        other = type(good)(good.spec, rung, good.programs, good.shaders)
        with pytest.raises(BundleError, match=message):
            scene_plan(scene[0], adapter, filtering=other)
    bare = FilterSpec("f", (StageSpec("f"),), good.spec.rungs)
    with pytest.raises(BundleError, match="nothing feeds"):
        scene_plan(
            scene[0],
            adapter,
            filtering=type(good)(bare, good.rung, good.programs, good.shaders),
        )


def test_a_filter_goes_on_as_another_did(tmp_path: Path) -> None:
    """A new size keeps what was set."""
    made = make(filters.gain(tmp_path))
    one = Filter(made.spec, made.spec.rungs[0])
    one.set_shown(0.5, 0.25)
    one.set_input("gain", 1.5)
    two = Filter(made.spec, made.spec.rungs[0])
    two.take_over(one)
    assert (two.strength, two.split) == (0.5, 0.25)
    assert two.input_bytes == one.input_bytes
