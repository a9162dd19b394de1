"""Tables of `bench.onnx`: a network's engines, all networks, and both as Markdown for the docs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.net_engines import OURS
from bench.tables import cell, print_table, ratio

__all__ = ["GOALS", "best", "markdown", "overview", "report", "rival_of", "short_of_goals"]

Found = Mapping[str, Any]
"""What was measured of a network: ``family``, ``build_s`` and ``engines`` by their names."""

GOALS = {"generator": 20.0, "conv": 5.0}
"""How many times faster than a rival's WebGPU provider, in software, by the network's family."""
PROVIDERS = ("web-webgpu", "native-webgpu")


def best(found: Found, name: str) -> float:
    """The fastest run of an engine, ms; NaN where it did not run."""
    ms: float = found["engines"].get(name, {}).get("ms", {}).get("min", math.nan)
    return ms


def rival_of(name: str) -> str:
    """The engine of ours that a rival is compared with: in the page, or native."""
    return OURS["native" in name]


def multiple(found: Found, name: str) -> float:
    """How many times ours an engine takes; NaN where either did not run."""
    return best(found, name) / best(found, rival_of(name))


def report(name: str, shapes: Sequence[Sequence[int]], found: Found) -> None:
    """Print the table of a network."""
    rows = []
    for engine, item in found["engines"].items():
        if "skipped" in item:
            rows.append([engine, *["-"] * 9])
            continue
        ms = item["ms"]
        rows.append(
            [
                engine,
                str(ms["n"]),
                cell(ms["min"]),
                cell(ms["median"]),
                ratio(ms["min"], best(found, rival_of(engine))),
                cell(item["first_ms"]["min"]),
                str(item["dispatches"] or "-"),
                _kilobytes(item["code_bytes"]),
                _kilobytes(item["model_bytes"]),
                "-" if item["max_rel_error"] is None else f"{item['max_rel_error']:.1e}",
            ]
        )
    header = ["", "n", "min", "median", "/ours", "first", "dispatches", "code", "model", "error"]
    given = ", ".join("x".join(map(str, shape)) for shape in shapes)
    title = f"{name} ({given}): ms a run; compiled in {found['build_s']:.1f} s"
    print_table(title, header, rows)


def overview(results: Mapping[str, Found], names: Sequence[str]) -> None:
    """Print a row a network: ours in ms, the others as multiples of it."""
    rows = [
        [
            net,
            *(
                cell(best(found, name))
                if name in OURS
                else ratio(best(found, name), best(found, rival_of(name)))
                for name in names
            ),
        ]
        for net, found in results.items()
    ]
    print_table("minima: ours in ms, the others as multiples of ours", ["", *names], rows)


def short_of_goals(results: Mapping[str, Found]) -> Iterator[str]:
    """A line for each rival's WebGPU provider that we are not faster than by `GOALS`."""
    for net, found in results.items():
        goal = GOALS.get(found["family"])
        for name in PROVIDERS if goal else ():
            times = multiple(found, name)
            if goal and times < goal:
                yield f"{net}: {times:.1f}x faster than {name}; the goal is {goal:.0f}x"


def markdown(results: Mapping[str, Found]) -> str:
    """The tables of docs/performance.md."""
    pages = ["network", "Vitrine ms", "WebGPU", "wasm", "dispatches", "theirs"]
    pages += ["first run s", "WebGPU s", "wasm s", "program kB", "model kB"]
    natives = ["network", "Vitrine ms", "WebGPU", "processor", "first run s", "WebGPU s"]
    in_page, native = [], []
    for net, found in results.items():
        engines = found["engines"]
        ours = engines["vitrine"]
        in_page.append(
            [
                net,
                cell(best(found, "vitrine")),
                _times(found, "web-webgpu"),
                _times(found, "web-wasm"),
                _plain(ours.get("dispatches")),
                _plain(engines.get("web-webgpu", {}).get("dispatches")),
                *(_first(found, name) for name in ("vitrine", "web-webgpu", "web-wasm")),
                _kilobytes(ours.get("model_bytes")),
                _kilobytes(engines.get("web-wasm", {}).get("model_bytes")),
            ]
        )
        native.append(
            [
                net,
                cell(best(found, "vitrine-native")),
                _times(found, "native-webgpu"),
                _times(found, "native-cpu"),
                *(_first(found, name) for name in ("vitrine-native", "native-webgpu")),
            ]
        )
    return "\n".join([*_lines(pages, in_page), "", *_lines(natives, native)]) + "\n"


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(row)} |" for row in (header, ruler, *rows)]


def _times(found: Found, name: str) -> str:
    times = multiple(found, name)
    return "-" if math.isnan(times) else f"{times:.{2 if times < 1 else 1 if times < 10 else 0}f}"


def _first(found: Found, name: str) -> str:
    ms = found["engines"].get(name, {}).get("first_ms", {}).get("min", math.nan)
    return "-" if math.isnan(ms) else f"{ms / 1000:.1f}"


def _plain(value: int | None) -> str:
    return "-" if value is None else str(value)


def _kilobytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1000:,.0f}"
