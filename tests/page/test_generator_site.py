"""A site that ``vitrine build`` made of a model draws in the page what ``vitrine render`` draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from pybuild.cli import main
from pybuild.options import BuildOptions, GeneratorOptions
from pybuild.site import build_site
from tests.page.generated import VIEW, pixels, settle
from tests.pybuild.generators.small_generators import row
from tests.pybuild.onnx.small_models import saved
from tests.pyengine.scenes import psnr_db

pytestmark = [pytest.mark.page, pytest.mark.gpu]

SIZE_PX = 256
PAGE_DB = 40
"""Two drivers round differently at the splats' edges."""
TIMEOUT_MS = 90_000


def test_a_built_site_shows_what_render_draws(
    browser: Browser, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    """Three instances on a track, at a time, with the slider that the build was given."""
    np.save(tmp_path / "shift.npy", np.array([[0, 0, 0], [0, 0.5, 0], [0, 1, 0]], np.float32))
    given = GeneratorOptions(
        settings=("lift=0.5",), tracks=(f"shift={tmp_path / 'shift.npy'}@2",), instances="3"
    )
    model = saved(row(bounds=[[-1, -2, -1], [2, 1, 1]]), tmp_path)
    build_site(model, tmp_path / "site", BuildOptions(generator=given))
    shown = str(tmp_path / "shown.png")
    arguments = ["--time", "0.75", "--size", f"{SIZE_PX}x{SIZE_PX}"]
    assert main(["render", str(tmp_path / "site"), "-o", shown, *arguments]) == 0
    expected = np.asarray(Image.open(shown).convert("RGB"))
    assert expected.max() > 100
    context = browser.new_context(
        viewport={"width": SIZE_PX, "height": SIZE_PX}, device_scale_factor=1
    )
    page = context.new_page()
    try:
        page.set_default_timeout(TIMEOUT_MS)
        failed: list[str] = []
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.goto(serve(tmp_path / "site"))
        settle(page)
        page.evaluate(
            f"""() => {{
                {VIEW}.setAttribute("controls", "none");
                {VIEW}.pause();
                {VIEW}.seek(0.75);
            }}"""
        )
        settle(page)
        assert psnr_db(pixels(page), expected) >= PAGE_DB
        assert failed == []
    finally:
        context.close()
