"""A network that makes nonsense in a page: the rest is drawn, and it comes back when right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pybuild.onnx.compile import compile_tensors
from pybuild.onnx.expr import compare, const, select
from pybuild.onnx.ir import constant, input_tensor, map_tensor
from pybuild.programs import write_program
from pyengine.feeds import FeedSpec
from tests.page.generated import VIEW, open_page, pixels, settle, write_site
from tests.pyengine.generators import generator

pytestmark = [pytest.mark.page, pytest.mark.gpu]

ROWS = 600
"""Three chunks. The first half of the rows stands on the left, the other on the right."""
BAD = (np.nan, np.inf, -np.inf, 1e30, -3.4e38)


def dots() -> tuple[Any, Any]:
    """White dots in two groups, as packed rows; and the same with nonsense on the left."""
    rng = np.random.default_rng(0)
    packed = np.zeros((ROWS, 10), np.float32)
    packed[:, :2] = rng.uniform(-0.8, 0.8, (ROWS, 2))
    packed[:, 0] += np.where(np.arange(ROWS) < ROWS // 2, -1.2, 1.2)
    packed[:, 3] = 0.9
    packed[:, (4, 7, 9)] = 0.01
    bad = packed.copy()
    for row in range(ROWS // 2):
        bad[row, row % 10] = BAD[row // 10 % len(BAD)]
    return packed, bad


def write_scene(folder: Path) -> None:
    """Inputs: poison, more than 0 for nonsense; count."""
    good, bad = (constant(n, a, "f32") for n, a in zip(("good", "bad"), dots(), strict=True))
    poison, count = input_tensor("poison", (1,), "f32"), input_tensor("count", (1,), "i32")

    def row(i: Any, j: Any) -> Any:
        return select(compare("lt", const(0.0, "f32"), poison[0]), bad[i, j], good[i, j])

    outputs = [
        map_tensor("gaussian.packed", (ROWS, 10), row),
        map_tensor("gaussian.color", (ROWS, 3), lambda i, j: good[i, 3] + 0 * good[i, j]),
        map_tensor("gaussian.count", (1,), lambda i: count[i]),
    ]
    compiled = compile_tensors("bad", [poison, count], outputs)
    scene = generator(ROWS, counted=True).scene
    assert scene.generator is not None
    feeds = (
        FeedSpec("poison", "latent", (1,), "float32"),
        FeedSpec("count", "latent", (1,), "int32", default=(float(ROWS),)),
    )
    pose = replace(scene.pose, eye=(0.0, 0.0, -6.0))
    scene = replace(scene, pose=pose, generator=replace(scene.generator, feeds=feeds))
    folder.mkdir(parents=True)
    write_program(folder / "generator", compiled.program, compiled.files)
    (folder / "scene.json").write_text(scene.to_json())


@pytest.fixture(scope="module")
def page(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]
) -> Iterator[Page]:
    """The network as it is right."""
    site = write_site(tmp_path_factory.mktemp("bad") / "site")
    write_scene(site / "bad")
    page = open_page(browser, serve(site).rstrip("/") + "/", scene="bad")
    yield page
    page.context.close()


def lit(page: Page, **inputs: float) -> tuple[float, float]:
    """Share of the left and of the right half that is lit, when inputs have been set."""
    for name, value in inputs.items():
        page.evaluate(f"async () => {{ await {VIEW}.setInput({json.dumps(name)}, [{value}]); }}")
    settle(page)
    image = pixels(page).max(axis=2) > 40
    middle = image.shape[1] // 2
    return float(image[:, :middle].mean()), float(image[:, middle:].mean())


def test_rows_of_nonsense_are_left_out(page: Page) -> None:
    """And come back; the others stay as they are."""
    left, right = lit(page, poison=0, count=ROWS)
    assert left > 0.1
    assert right > 0.1
    assert lit(page, poison=1) == (0.0, right)
    assert lit(page, poison=0) == (left, right)


def test_counts_of_nonsense(page: Page) -> None:
    """Below 0 is none, beyond the capacity is all, half of them is the left half."""
    both = lit(page, poison=0, count=ROWS)
    assert lit(page, count=2**31 - 1) == both
    assert lit(page, count=-(2**31)) == (0.0, 0.0)
    assert lit(page, count=ROWS // 2) == (both[0], 0.0)
    assert lit(page, count=0) == (0.0, 0.0)
    assert lit(page, count=-1) == (0.0, 0.0)
    assert lit(page, count=ROWS) == both
