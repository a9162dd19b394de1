"""What ``vitrine compile`` does: a model to a program's folder, and what the program costs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pybuild.onnx.compile import Compiled
from pybuild.onnx.front import parse_shape_option
from pybuild.onnx.graph import Graph
from pybuild.onnx.models import Precision, Sizes, Tell, compile_model
from pybuild.onnx.report import cost_lines
from pybuild.onnx.weight_error import with_weight_error
from pybuild.programs import replaceable, write_program
from pybuild.runner import NativeRunner
from pybuild.terminal import notice, progress
from pyengine.errors import DeviceError, InputError

__all__ = ["Precision", "compile_program", "must_be_model", "parse_sizes"]

Value = TypeVar("Value")
MAX_CAPACITY = 2**31 - 1


def compile_program(
    model: Path,
    out: Path,
    sizes: Sizes,
    force: bool = False,
    precision: Precision | None = None,
) -> Compiled:
    """Compile a model, write the program's folder, and print what it costs.

    Parameters
    ----------
    model : Path
        An ONNX file.
    out : Path
        The folder; a program in it is replaced.
    sizes : Sizes
    force : bool
        Write into a folder that holds something else too.
    precision : Precision, optional
        What packed weights change is measured on this machine's GPU, where there is one.

    Raises
    ------
    InputError
        No model, one that cannot be compiled, or a folder that cannot be written. Nothing is
        written then.
    """
    must_be_model(model)
    replaceable(out, force)  # before the work: what stands in the way is told at once
    start = time.perf_counter()
    with progress() as tell:
        measured = None
        if precision is not None and precision.weights != "f32":
            measured = partial(_measured, tell)
        compiled = compile_model(model, sizes, tell, precision, measured)
        if tell:
            tell("writing", 0.95)
        write_program(out, compiled.program, compiled.files, force)
    report = compiled.program.report
    print(
        f"{out}: {report['dispatches']} dispatches from {report['nodes']} nodes"
        f" in {time.perf_counter() - start:.1f} s"
    )
    print("\n".join(cost_lines(report)))
    for name, error in report.get("weight_error", {}).items():
        print(f"  {name}: packed weights change it by {error:.2g} of its largest value")
    print(f"Run it: vitrine run {out} --seed 0")
    return compiled


def _measured(tell: Tell | None, graph: Graph, compiled: Compiled) -> Compiled:
    """The program with the error of its packed weights in its report."""
    if tell:
        tell("measuring what packed weights change", 0.6)
    try:
        with NativeRunner() as runner:
            return with_weight_error(graph, compiled, runner)
    except DeviceError as error:
        notice(f"what packed weights change was not measured: {error}")
        return compiled


def must_be_model(path: Path) -> None:
    """Tell a path that is no file before anything is read."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; wanted an ONNX file")
    if not path.exists():
        raise InputError(f"{path}: no such file; wanted an ONNX file")


def parse_sizes(shapes: Iterable[str], capacities: Iterable[str] = ()) -> Sizes:
    """``NAME=1x3x256x256`` and ``NAME=1000``, each once a name.

    Raises
    ------
    InputError
        One is of another form, or given twice.
    """
    return Sizes(
        _once(map(parse_shape_option, shapes), "--shape"),
        _once(map(_capacity, capacities), "--capacity"),
    )


def _capacity(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    usable = number.isascii() and number.isdigit() and len(number) <= 10
    if not name or not usable or not 1 <= int(number) <= MAX_CAPACITY:
        raise InputError(
            f"--capacity {text!r}: wanted SYMBOL=NUMBER with a positive number, such as rows=1000"
        )
    return name, int(number)


def _once(pairs: Iterable[tuple[str, Value]], option: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in pairs:
        if name in found:
            raise InputError(f"{option} {name!r} is given twice")
        found[name] = value
    return found
