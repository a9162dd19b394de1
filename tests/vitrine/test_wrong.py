"""What scenes in scripts refuse: each says what was wanted, and the scene goes on as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import vitrine
from pybuild.bundle import write_bundle
from pybuild.gaussians import Gaussians
from pyengine.errors import DeviceError
from pyengine.hosts.native import NativeDevice, NativeHost

pytestmark = pytest.mark.gpu


WRONG: dict[str, tuple[Callable[[vitrine.Scene], object], str]] = {
    "camera's key": (lambda s: s.render({"eyes": (0, 0, 1)}), "unknown key 'eyes'; did you mean"),
    "camera's kind": (lambda s: s.render("front"), "camera: wanted a Camera"),  # type: ignore[arg-type]
    "camera's point": (lambda s: s.set_camera(eye=(0, 0)), "eye: wanted three numbers"),
    "camera not finite": (
        lambda s: s.set_camera(eye=(0, 0, np.inf)),
        "camera: wanted texts and finite numbers, got {'eye': ",
    ),
    "one point": (lambda s: s.render({"eye": (1, 1, 1), "target": (1, 1, 1)}), "the same point"),
    "fov": (lambda s: s.set_camera(fov=0), "fov: wanted a number from 1 to 170, got 0"),
    "view": (lambda s: s.set_view({"width": 3}), "missing; a view has"),
    "width": (lambda s: s.render(width=0), "width: wanted pixels, an integer from 1 to 16384"),
    "half a pixel": (lambda s: s.render(width=1.5), "width: wanted pixels"),  # type: ignore[arg-type]
    "size": (lambda s: setattr(s, "size", 5), r"size: wanted \(width, height\)"),
    "mode": (lambda s: s.render(mode="dept"), "mode: wanted one of colour, depth"),
    "look's key": (lambda s: s.set_look(sh=1), "unknown key 'sh'; there are: background"),  # type: ignore[call-arg]
    "look of an image": (lambda s: s.render(backgruond=1), "did you mean 'background'"),  # type: ignore[call-arg]
    "background": (
        lambda s: s.render(background="red"),
        "look: wanted rrggbb or 3 numbers",
    ),
    "scale": (lambda s: s.set_look(splat_scale=-1), "splat_scale: wanted a number from 0 to 10"),
    "transparent": (lambda s: s.render(mode="depth", transparent=True), "not with 'depth'"),
    "strength": (lambda s: s.render(strength=0.5), "no filter is on"),
    "camera's mode": (lambda s: s.set_mode("walk"), "wanted one of orbit, fly, turntable"),
    "bookmark": (lambda s: s.go_to(0), "bookmark 1: there are 0"),
    "path": (lambda s: s.camera_path([{}]), "wanted two cameras or more, got 1"),
    "pick": (lambda s: s.pick(48, 0), "outside of the image of 48x32 px"),
    "time": (lambda s: s.seek(float("nan")), "time: wanted a finite number, got nan"),
    "backwards": (lambda s: s.advance(-1), "seconds: wanted 0 or more, got -1"),
    "input": (lambda s: s.set_input("a", 1), "input 'a': the scene has no generator"),
    "object": (lambda s: s.set_object("a", scale=2), "the scene has no objects"),
    "event": (lambda s: s.on("frame", print), "event 'frame': wanted one of play, pause"),
    "picture": (lambda s: s.screenshot(type="image/gif"), "type: wanted one of image/png"),
    "picture's name": (lambda s: s.screenshot("a.gif"), "a.gif: wanted a name that ends with"),
    "picture's place": (lambda s: s.screenshot("no/a.png"), "no/a.png: cannot be written"),
    "quality": (lambda s: s.screenshot("a.jpg", quality=80), "quality: wanted a number from 0"),
    "JPEG": (lambda s: s.screenshot("a.jpg", transparent=True), "a JPEG has no transparency"),
}


def test_errors_tell_what_was_wanted(scene: vitrine.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is an InputError, and the scene goes on as it was."""
    before, state = scene.render(), scene.get_state()
    for act, message in WRONG.values():
        with pytest.raises(vitrine.InputError, match=message):
            act(scene)
    assert scene.get_state() == state
    np.testing.assert_array_equal(scene.render(), before)
    monkeypatch.setattr(scene._renderers.colours, "_largest_px", 50)
    with pytest.raises(DeviceError, match="an image of 51x34 px is wanted; this adapter offers 50"):
        scene.render(width=51)
    np.testing.assert_array_equal(scene.render(), before)


def test_an_image_beyond_the_memory(scene: vitrine.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told each time that it is asked for, and others are drawn as before."""
    before, make = scene.render(), NativeHost._texture

    def full(host: NativeHost, label: str, texel: str, usage: int, size: tuple[int, int]) -> object:
        if size[0] > 100:
            raise RuntimeError("Validation Error\n\nCaused by:\n  Not enough memory left.")
        return make(host, label, texel, usage, size)

    monkeypatch.setattr(NativeHost, "_texture", full)
    for _ in range(2):
        with pytest.raises(DeviceError, match="no memory for an image of 200x133 px of 700"):
            scene.render(width=200)
    np.testing.assert_array_equal(scene.render(), before)


def test_what_cannot_be_loaded(
    adapter: object,
    cloud: Gaussians,
    scene_file: Path,
    tmp_path: Path,
    devices: set[NativeDevice],
) -> None:
    """It says why, and nothing stays on the GPU."""
    write_bundle(cloud, tmp_path / "bundle")
    bundle = tmp_path / "bundle"
    wrong: list[tuple[tuple[object, ...], dict[str, object], str]] = [
        ((), {}, r"nothing to load; give a scene file: vitrine.load\('scene.ply'\)"),
        (("no.ply",), {}, "no.ply: no such file; this process works in"),
        ((cloud, scene_file), {}, "several scenes are given as files.*got Gaussians, PosixPath"),
        ((scene_file,), {"settings": ["lift=1"]}, "is no generator; leave out --set"),
        ((scene_file,), {"inputs": {"lift": 1}}, "input 'lift': the scene has no generator"),
        ((scene_file,), {"size": (0, 1)}, "width: wanted pixels"),
        ((scene_file,), {"eye": (0, 0, np.nan)}, "eye: wanted three finite numbers"),
        ((scene_file,), {"filters": ["no.onnx"]}, "no.onnx"),
        ((bundle,), {"up": "y"}, "--up is for scene files; this one is built"),
        ((tmp_path,), {}, "no Vitrine bundle"),
    ]
    for source, options, message in wrong:
        with pytest.raises(vitrine.InputError, match=message):
            vitrine.load(*source, **options)  # type: ignore[arg-type]
        assert not devices, message
