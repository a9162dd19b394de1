"""Frames of a generator that tests visibility first are those of one that computes every row."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pybuild.generators import bundle
from pybuild.render import Renderer
from pyengine.passes.generated import LIVE
from pyengine.view import View
from tests.generator_models import scaffold

pytestmark = pytest.mark.gpu

VIEWS = {
    "all of it": ((0.0, 0.0, -12.0), (0.0, 0.0, 0.0)),
    "from within": ((0.3, -0.2, -0.5), (0.6, 0.1, 3.0)),
    "its edge": ((0.0, 0.0, -6.0), (4.0, 1.0, 0.0)),
    "away from it": ((0.0, 0.0, -6.0), (0.0, 0.0, -9.0)),
}


@pytest.fixture(scope="module")
def renderers(adapter: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same model, tested first and not; kept open, so frames follow one another."""
    path = tmp_path_factory.mktemp("model") / "scaffold.onnx"
    onnx.save(scaffold(600), path)
    with pytest.MonkeyPatch.context() as patch:
        first = opened(path, adapter)
        patch.setattr(bundle, "compile_generator", whole)
        every = opened(path, adapter)
    yield first, every
    first.close()
    every.close()


whole = partial(bundle.compile_generator, visible_first=False)


def opened(path: Path, adapter: Any) -> Renderer:
    made = bundle.make_generator(path)
    return Renderer(made.scene, lambda _: b"", 160, 120, made.network, adapter)


def live_rows(renderer: Renderer) -> int:
    """Of the first stage's last frame."""
    return int(renderer.read(LIVE, np.uint32)[-1])


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_no_pixel_differs(renderers: Any, name: str, scale: float) -> None:
    """Also with larger splats, which are seen from further outside."""
    eye, target = VIEWS[name]
    view = View.look_at(eye, target, (0.0, -1.0, 0.0), 50, 160, 120)
    images = []
    for renderer in renderers:
        renderer.engine.splat_scale = scale
        images.append(renderer.draw(view).astype(int))
    assert np.abs(images[0] - images[1]).max() <= 1
    assert (images[1].max() > 60) == (name != "away from it")
    first, every = renderers
    counts = live_rows(first), every.engine.scene.count
    assert counts[0] <= counts[1]
    if name in ("from within", "its edge"):
        assert counts[0] < 0.8 * counts[1]
    if name == "away from it":
        assert counts[0] == 0
