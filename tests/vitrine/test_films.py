"""Films of scenes: how many frames, what is on them, what they cost, and what is left of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vitrine
from pybuild.gaussians import Gaussians
from pybuild.generators.bundle import write_generator
from pybuild.options import BuildOptions, GeneratorOptions
from tests.pybuild.generators.small_generators import row, stepping
from tests.pybuild.onnx.small_models import saved
from tests.pyengine.filters import trail
from tests.vitrine.conftest import SIZE, middle

pytestmark = pytest.mark.gpu

SEVERAL = ({"eye": (0, 0, -4)}, {"eye": (3, -1, -3)}, {"eye": (4, 0, 0)})
BOUNDS = [[-1, -2, -1], [2, 0, 1]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, scene: vitrine.Scene) -> Counter[str]:
    """What is made on GPUs from now on: names of wgpu's functions, and how often each is called."""
    count: Counter[str] = Counter()
    kind: Any = type(scene._renderers.colours.host.device)

    def counted(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            count[name] += 1
            return make(*given, **more)

        return call

    for name in dir(kind):
        if name.startswith(("create_", "_create_")) and "encoder" not in name:
            monkeypatch.setattr(kind, name, counted(name, getattr(kind, name)))
    monkeypatch.setattr(
        type(scene._renderers.colours.host.adapter),
        "request_device_sync",
        counted("request_device", type(scene._renderers.colours.host.adapter).request_device_sync),
    )
    return count


@pytest.mark.parametrize("how", [{}, {"mode": "depth"}, {"transparent": True}])
def test_frames_allocate_nothing(
    scene: vitrine.Scene, made: Counter[str], how: dict[str, Any]
) -> None:
    """One renderer through the whole film; a second film of the same size needs none either."""
    path = scene.camera_path(SEVERAL)
    film = scene.frames(path, fps=4, width=40, height=30, **how)
    next(film)
    assert made["create_buffer"] >= 1, "the counter counts"
    made.clear()
    shapes = {frame.shape for frame in film}
    assert shapes == {(30, 40, 4 if "transparent" in how else 3)}
    assert len(list(scene.frames(path, fps=2, width=40, height=30, **how))) == 13
    assert not made


def test_a_film_through_a_filter_allocates_nothing(
    scene: vitrine.Scene, made: Counter[str], cloud: Gaussians, tmp_path: Path
) -> None:
    """And the filter remembers the frame before."""
    with vitrine.load(cloud, size=SIZE, filters=[str(trail(tmp_path))]) as filtered:
        film = filtered.frames("turntable", fps=8, seconds=1)
        first, second = next(film), next(film)
        made.clear()
        rest = list(film)
        assert not made
        plain = list(filtered.frames("turntable", fps=8, seconds=1, filter="none"))
    np.testing.assert_allclose(first, plain[0] / 2, atol=1)
    np.testing.assert_allclose(second, plain[1] / 2 + plain[0] / 4, atol=2)
    assert len(rest) == 6


def test_a_film_of_a_generator_allocates_nothing(
    scene: vitrine.Scene, made: Counter[str], tmp_path: Path
) -> None:
    """With a state, of which it does six steps a frame."""
    with vitrine.load(saved(stepping(), tmp_path), size=SIZE) as stepped:
        film = stepped.frames("clip", fps=10, seconds=1)
        places = [middle(next(film))[0]]
        made.clear()
        places += [middle(frame)[0] for frame in film]
    assert not made
    assert (np.diff(places) > 0).all()


def test_the_kinds_of_films(scene: vitrine.Scene) -> None:
    """Each frame is the image from where the camera is; what is closed shows no frame twice."""
    turn = scene.frames("turntable", fps=2, seconds=4)
    frames = list(turn)
    assert len(turn) == len(frames) == 8
    np.testing.assert_array_equal(frames[0], scene.render())
    eye, target = np.array(scene.camera.eye), np.array(scene.camera.target)
    away = eye - target
    across = target + away * [-1, 1, -1]
    np.testing.assert_allclose(
        frames[4], scene.render({"eye": across}).astype(float), atol=1, err_msg="half a turn"
    )
    path = scene.camera_path(SEVERAL)
    film = scene.frames(path, fps=2, seconds=3)
    assert len(film) == 7
    assert (film.fps, film.size) == (2, SIZE)
    for index, frame in enumerate(film):
        np.testing.assert_allclose(frame, scene.render(path.at(index / 6)).astype(float), atol=1)
    assert len(scene.frames(scene.camera_path(SEVERAL, loop=True), fps=2)) == 18
    for camera in SEVERAL:
        scene.camera = camera  # type: ignore[assignment]
        scene.add_bookmark()
    again = list(scene.frames("path", fps=2, seconds=3))
    np.testing.assert_allclose(again[0], scene.render(path.at(0)).astype(float), atol=1)
    np.testing.assert_allclose(again[6], scene.render(path.at(1)).astype(float), atol=1)


def test_the_clock_of_a_film(adapter: object, tmp_path: Path) -> None:
    """A clip from its beginning; or beside the camera's path, where it plays; twice the same."""
    with vitrine.load(saved(row(bounds=BOUNDS), tmp_path), size=SIZE) as scene:
        clip = list(scene.frames("clip", fps=4))
        assert len(clip) == 8, "two seconds that loop"
        for index, frame in enumerate(clip):
            np.testing.assert_array_equal(frame, scene.render(time=index / 4))
        scene.seek(0.5)
        path = scene.camera_path([{}, {"eye": (0, 0, -6)}])
        still = list(scene.frames(path, fps=4, seconds=1))
        scene.play()
        moving = [list(scene.frames(path, fps=4, seconds=1)) for _ in range(2)]
        assert scene.time == 0.5
        assert not scene.paused
        np.testing.assert_array_equal(moving[0], moving[1])
        np.testing.assert_array_equal(moving[0][0], still[0])
        np.testing.assert_array_equal(moving[0][4], scene.render(path.at(1), time=1.5))


def test_a_track_in_a_film(adapter: object, tmp_path: Path) -> None:
    """From a model and from its bundle; between two rows of the track linearly."""
    np.save(tmp_path / "walk.npy", np.float32([[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]))
    model = saved(row(bounds=BOUNDS, clip={"duration": 2, "loop": True}), tmp_path)
    tracks = [f"shift={tmp_path / 'walk.npy'}@2"]
    options = GeneratorOptions(tracks=tuple(tracks))
    write_generator(model, tmp_path / "bundle", BuildOptions(generator=options))
    films = []
    for source, given in ((model, tracks), (tmp_path / "bundle", [])):
        with vitrine.load(source, size=SIZE, tracks=given, eye=(0, 0, -6)) as scene:
            films.append(list(scene.frames("clip", fps=4, seconds=1)))
            moved = scene.view().fx / 6  # pixels a world unit
            scene.seek(0)
            scene.pause()
            scene.set_input("shift", [0.5, 0, 0])
            half = middle(scene.render())[0]
    np.testing.assert_array_equal(films[0], films[1])
    seen = np.array([middle(frame)[0] for frame in films[0]])
    # the row itself goes half a unit a second
    np.testing.assert_allclose(
        (seen[:3] - half) / moved, [-0.5, 0.125, 0.75], atol=0.1, err_msg=f"{seen}"
    )


def test_a_state_in_a_film(adapter: object, tmp_path: Path) -> None:
    """It steps by its own 60 a second between frames, and begins with the clip."""
    with vitrine.load(saved(stepping(), tmp_path), size=SIZE) as scene:
        wanted = [middle(scene.render(time=index / 2))[0] for index in range(3)]
        for fps in (2, 24):
            film = list(scene.frames("clip", fps=fps, seconds=1.5))
            seen = [middle(film[round(index * fps / 2)])[0] for index in range(3)]
            np.testing.assert_allclose(seen, wanted, atol=0.3)


def test_after_a_film_all_is_as_before(scene: vitrine.Scene) -> None:
    """At its end, when it is closed, left, forgotten, followed by another, or goes wrong."""
    scene.add_bookmark("one")
    scene.set_camera(eye=(1, 0, -4))
    state, image = scene.get_state(), scene.render()
    path = scene.camera_path(SEVERAL)

    def is_as_before() -> None:
        assert scene.get_state() == state
        np.testing.assert_array_equal(scene.render(), image)

    list(scene.frames(path, fps=2, seconds=1, background="#ff0000"))
    is_as_before()
    with scene.frames(path, fps=2, seconds=1) as film:
        next(film)
        next(film)
        assert scene.get_state() != state
    is_as_before()
    assert list(film) == []
    for _ in scene.frames(path, fps=2, seconds=1):
        break
    is_as_before()
    first = scene.frames("turntable", seconds=1)
    next(first)
    second = scene.frames(path, fps=2, seconds=1)
    assert list(first) == []
    assert len(list(second)) == 3
    is_as_before()
    wrong: dict[str, tuple[Callable[[], vitrine.Film], str]] = {
        "kind": (lambda: scene.frames("tour"), "wanted one of turntable, path, clip, got 'tour'"),
        "clip": (lambda: scene.frames("clip"), "has no clip"),
        "path": (lambda: scene.frames("path"), "wanted two bookmarks or more, got 1"),
        "fps": (lambda: scene.frames(fps=0), "fps: wanted a number from 1 to 240"),
        "seconds": (lambda: scene.frames(path, seconds=-1), "seconds: wanted a number"),
        "frames": (lambda: scene.frames(path, seconds=3600), "wanted 36000 frames at most"),
        "width": (lambda: scene.frames(path, width=-1), "width: wanted pixels"),
    }
    for make, message in wrong.values():
        with pytest.raises(vitrine.InputError, match=message):
            make()
        is_as_before()
    film = scene.frames(path, mode="dept")
    with pytest.raises(vitrine.InputError, match="mode: wanted one of colour"):
        next(film)
    is_as_before()
