"""What ``vitrine inspect`` does with networks: models and programs, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pybuild.programs import PROGRAM_FILE, read_program
from pybuild.terminal import progress
from pyengine.errors import InputError

__all__ = ["inspect", "is_network"]

SUFFIX = ".onnx"


def is_network(path: Path) -> bool:
    """Whether a path is an ONNX model's or a program's folder, by its name alone."""
    return path.suffix.lower() == SUFFIX or (path / PROGRAM_FILE).is_file()


def inspect(
    source: Path, shapes: Iterable[str] = (), capacities: Iterable[str] = (), as_json: bool = False
) -> None:
    """Print a report; a model that cannot be compiled is one too, with the reasons.

    Raises
    ------
    InputError
        No model and no program.
    """
    from pybuild.compiling import must_be_model, parse_sizes
    from pybuild.onnx import inspection, report

    sizes = parse_sizes(shapes, capacities)
    if source.is_dir():
        if sizes.shapes or sizes.capacities:
            raise InputError(f"{source}: --shape and --capacity are for models; this is compiled")
        facts = inspection.program_facts(source, read_program(source)[0])
    else:
        must_be_model(source)
        with progress() as tell:
            facts = inspection.model_facts(source, sizes, tell)
    print(json.dumps(facts, indent=1) if as_json else report.text(facts))
