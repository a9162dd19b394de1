"""Tables of `bench.generators`: a case's engines and kernels, and all cases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.net_report import PROVIDERS, rival_of
from bench.tables import cell, print_table, ratio

__all__ = ["GOAL", "median", "overview", "report", "times_ours", "work_ours"]

Found = Mapping[str, Any]
"""What was measured of a case; see `bench.generators.bench_case`."""

SHOWN = (*PROVIDERS, "web-wasm", "native-cpu")
GOAL = 20.0
"""How many times faster than a WebGPU provider, in software."""


def median(found: Found, name: str) -> float:
    """Of an engine's runs, ms; NaN where it did not run."""
    ms: float = found["engines"].get(name, {}).get("ms", {}).get("median", math.nan)
    return ms


def cpu(found: Found, name: str) -> float:
    """Processor time of an engine's runs, ms; NaN where it is not known."""
    ms: float = found["engines"].get(name, {}).get("cpu_ms", math.nan)
    return ms


def work_ours(found: Found, name: str) -> str:
    """How many times our processor time an engine takes."""
    return ratio(cpu(found, name), cpu(found, rival_of(name)))


def times_ours(found: Found, name: str) -> str:
    """How many times ours an engine takes."""
    return ratio(median(found, name), median(found, rival_of(name)))


def report(name: str, found: Found) -> None:
    """Print the tables of a case."""
    rows = []
    for engine, item in found["engines"].items():
        if "skipped" in item:
            rows.append([engine, *["-"] * 9])
            continue
        error = item["max_rel_error"]
        rows.append(
            [
                engine,
                str(item["ms"]["n"]),
                cell(item["ms"]["min"]),
                cell(item["ms"]["median"]),
                "-" if engine.startswith("frame") else times_ours(found, engine),
                cell(cpu(found, engine)),
                "-" if engine.startswith("frame") else work_ours(found, engine),
                cell(item["first_ms"]["min"]),
                str(item["dispatches"] or "-"),
                "-" if error is None else f"{error:.1e}",
            ]
        )
    header = ["", "n", "min", "median", "/ours", "CPU", "/ours", "first", "dispatches", "error"]
    print_table(f"{name}: {found['gaussians']:,} Gaussians, ms a run", header, rows)
    adapters = {item["adapter"] for item in found["engines"].values() if "adapter" in item}
    print(f"  adapters: {', '.join(sorted(adapters))}")
    told = ", ".join(f"{count} {stage}" for stage, count in found["dispatches"].items())
    print(f"  dispatches and draws a frame: {sum(found['dispatches'].values())}: {told}")
    sizes = [found[f"{what}_bytes"] / 1e6 for what in ("model", "program", "gpu", "largest_buffer")]
    print("  MB: model {:.1f}, program {:.1f}, GPU {:.1f}, largest buffer {:.1f}".format(*sizes))
    for frame, passes in found["frames"].items():
        parts = [f"{stage} {cell(ms)}" for stage, ms in passes.items() if stage != "drawn"]
        print(f"  {frame}: {', '.join(parts)} ms; {passes.get('drawn', math.nan):,.0f} drawn")
    for program, item in found["kernels"].items():
        parts = [f"{label} {cell(ms)}" for label, ms in item["ms"].items()]
        rows_told = "" if item["rows"] is None else f"; {item['rows']:,} rows decoded"
        print(f"  {program}, natively: {', '.join(parts)} ms{rows_told}", flush=True)


def overview(results: Mapping[str, Found]) -> None:
    """Print a row a case, and which goals are missed."""
    names = ["vitrine", "vitrine-native", "frame"]
    rivals = [
        n for n in ("web-webgpu", "native-webgpu", "web-wasm", "native-cpu") if _ran(results, n)
    ]
    rows = [
        [
            case,
            *(cell(median(found, name)) for name in names),
            *(f"{times_ours(found, n)} {work_ours(found, n)}" for n in rivals),
            f"  {found['published'] or '-'}",
        ]
        for case, found in results.items()
    ]
    title = "ours in ms, medians; the rivals as multiples of ours, by the clock and by CPU time"
    print_table(title, ["", *names, *rivals, "  published, another machine"], rows)
    for case, found in results.items():
        for name in PROVIDERS:
            times = median(found, name) / median(found, rival_of(name))
            if times < GOAL:
                print(f"{case}: {times:.1f}x faster than {name}; the goal is {GOAL:.0f}x")


def _ran(results: Mapping[str, Found], name: str) -> bool:
    return any(not math.isnan(median(found, name)) for found in results.values())
