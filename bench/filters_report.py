"""The table of `bench.filters_page`, and how far what it measured is from the goals."""

from __future__ import annotations

from typing import Any

from bench.tables import cell, extremes, print_table, ratio

__all__ = ["OURS", "PLAIN", "goals", "own", "report"]

OURS, PLAIN = "vitrine", "no filter"
GOALS = {False: 5.0, True: 2.0}
"""How many times faster than the rival, in software and on a GPU."""
COMMANDS_GOAL = 3
AGREES_DB = 35.0
"""The rival reads 8-bit pixels, as a canvas has them, and sums in another order."""


def report(title: str, found: dict[str, Any], gpu: bool) -> None:
    """Print the table of a case, and how far it is from the goals."""
    engines = found["engines"]
    ours, plain = engines[OURS], engines[PLAIN]
    rows = []
    for name, item in engines.items():
        agrees = f"{item['agrees_db']:.1f} dB" if "agrees_db" in item else "-"
        filtering = item["ms"]["min"] - plain["ms"]["min"]
        rows.append(
            [
                name,
                str(item["ms"]["n"]),
                *extremes(item["ms"]),
                ratio(item["ms"]["min"], ours["ms"]["min"]),
                "-" if name == PLAIN else cell(filtering),
                str(item["dispatches"]),
                str(item["draws"]),
                "-" if name == PLAIN else str(own(item, plain)),
                agrees,
            ]
        )
    header = ["", "n", "min", "median", "/ours", "filter", "dispatches", "draws", "own", "agrees"]
    print_table(title, header, rows)
    for line in goals(engines, gpu):
        print(f"  {line}")


def own(item: dict[str, Any], plain: dict[str, Any]) -> int:
    """Dispatches and draws of a frame beyond those of the splats."""
    count: int = item["dispatches"] + item["draws"] - plain["dispatches"] - plain["draws"]
    return count


def goals(engines: dict[str, Any], gpu: bool) -> list[str]:
    """How the fastest rival stands to the goals; nothing without one.

    A rival whose picture is another one is named, for it is no fair comparison.
    """
    ours, plain = engines[OURS], engines[PLAIN]
    rivals = {name: item for name, item in engines.items() if "agrees_db" in item}
    if not rivals:
        return []
    name = min(rivals, key=lambda key: rivals[key]["ms"]["min"])
    times = rivals[name]["ms"]["min"] / ours["ms"]["min"]
    fewer, more = own(ours, plain), own(rivals[name], plain)
    few = COMMANDS_GOAL * fewer <= more
    told = [
        f"goal {GOALS[gpu]:.0f}x of {name}: {times:.2f}x, {_met(times >= GOALS[gpu])}",
        f"goal 1/{COMMANDS_GOAL} of its commands: {fewer} of {more}, {_met(few)}",
    ]
    for key, item in rivals.items():
        if item["agrees_db"] < AGREES_DB:
            told.append(f"{key}: another picture ({item['agrees_db']:.1f} dB): no fair comparison")
    return told


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"
