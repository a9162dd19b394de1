"""The bench of frames with filters: what the page is told, and what is made of its numbers."""

from __future__ import annotations

import base64
import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from bench.filters_page import case_of, picture_of
from bench.filters_report import OURS, PLAIN, goals, own, report
from pyengine.errors import InputError
from pyengine.filter_spec import FilterSpec, Rung

ROOT = Path(__file__).resolve().parents[2]
UPSCALER = ROOT / "assets/filters/upscaler.onnx"
CHANNELS = 4
"""Of what it takes: colour and coverage."""
FAST, SLOW = "web-webgpu-nchw", "web-webgpu"


def measured(ms: float, dispatches: int, draws: int, agrees_db: float | None = None) -> Any:
    """An engine as the JSON has it."""
    item: dict[str, Any] = {"ms": {"min": ms, "median": 2 * ms, "n": 3}}
    item |= {"dispatches": dispatches, "draws": draws}
    return item if agrees_db is None else item | {"agrees_db": agrees_db}


@pytest.fixture
def engines() -> dict[str, Any]:
    """Splats of 7 and 16 commands; a filter of 6 beside rivals of 18 and 20."""
    return {
        OURS: measured(30.0, 13, 16),
        SLOW: measured(300.0, 26, 17, 60.0),
        FAST: measured(140.0, 24, 17, 60.0),
        PLAIN: measured(10.0, 7, 16),
    }


@pytest.fixture
def spec() -> FilterSpec:
    """The upscaler, as a site has it at two sizes."""
    rungs = (Rung((64, 32), (128, 64), ("a",)), Rung((32, 16), (64, 32), ("b",)))
    return FilterSpec("upscaler", (), rungs, 1.0, False)


def test_a_case_is_the_largest_size_with_the_models_own_names(spec: FilterSpec) -> None:
    case = case_of(str(UPSCALER), spec, [FAST])
    assert (case.setup["render"], case.setup["output"]) == ((64, 32), (128, 64))
    plain = {"scale": [1.0] * 3, "offset": [0.0] * 3}
    assert case.setup["input"] == {"name": "image", "channels": CHANNELS, **plain}
    assert case.setup["made"] == {"name": "upscaled", "channels": 3, **plain}
    dims = onnx.load_from_string(case.model).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [1, CHANNELS, 32, 64]
    wide = case_of(f"{UPSCALER}@range=0..255", spec, [FAST])
    assert wide.setup["input"]["scale"] == [255.0] * 3
    assert case_of(str(UPSCALER), spec, []).model == b""


def test_what_the_rival_cannot_be_fed_is_refused(spec: FilterSpec) -> None:
    for text in (f"{UPSCALER}+{UPSCALER}", f"{UPSCALER}@tiles=8", f"{UPSCALER}@channels=bgr"):
        with pytest.raises(InputError, match="--rivals none measures this one alone"):
            case_of(text, spec, [FAST])
        assert case_of(text, spec, []).rivals == ()


def test_goals_are_measured_at_the_fastest_rival(engines: dict[str, Any]) -> None:
    assert own(engines[OURS], engines[PLAIN]) == 6
    times = Fraction(140, 30)
    assert goals(engines, gpu=False) == [
        f"goal 5x of {FAST}: {float(times):.2f}x, missed",
        "goal 1/3 of its commands: 6 of 18, met",
    ]
    assert goals(engines, gpu=True)[0] == f"goal 2x of {FAST}: {float(times):.2f}x, met"
    engines[FAST] |= {"dispatches": 23, "agrees_db": 20.0}
    few, other = goals(engines, gpu=True)[1:]
    assert few == "goal 1/3 of its commands: 6 of 17, missed"
    assert other == f"{FAST}: another picture (20.0 dB): no fair comparison"
    assert goals({OURS: engines[OURS], PLAIN: engines[PLAIN]}, gpu=False) == []


def test_the_table(engines: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    report("title", {"engines": engines}, gpu=False)
    rows = {line.split("  ")[1]: line.split() for line in capsys.readouterr().out.splitlines()[3:]}
    expected = [FAST, "3", "140", "280", "4.67x", "130", "24", "17", "18", "60.0", "dB"]
    assert rows[FAST] == expected
    assert rows[PLAIN][-5:] == ["-", "7", "16", "-", "-"]
    assert rows[OURS][-3:] == ["16", "6", "-"]


def test_a_picture_comes_as_it_was() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "png")
    address = f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
    assert np.array_equal(picture_of(address), pixels)
