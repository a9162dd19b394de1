"""The commands of ONNX networks as programs: ``compile``, ``verify`` and ``run``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pybuild.cli.options import CapacityOption, JsonOption, ModelArgument, ShapeOption
from pybuild.running import RunOptions, run_program
from pyengine.tuning import DEFAULT_BUDGET_S

__all__ = ["app"]

app = typer.Typer()


class Weights(StrEnum):
    """How a program keeps large constants."""

    F32, F16, I8, I4 = "f32", "f16", "i8", "i4"


@app.command("compile", epilog="Example: vitrine compile depth.onnx -o depth-program")
def compile_(
    model: ModelArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The program's folder.")],
    shape: ShapeOption = None,
    capacity: CapacityOption = None,
    weights: Annotated[
        Weights,
        typer.Option(help="How large weights are stored: 16-bit floats, bytes, or nibbles."),
    ] = Weights.F32,
    half: Annotated[
        bool,
        typer.Option("--half", help="Multiply 16-bit floats where the GPU has them; less exact."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write beside what DIR holds, if it is no program.")
    ] = False,
) -> None:
    """Turn an ONNX model into a folder with kernels and weights that run on any WebGPU.

    A program that is in DIR already is replaced. Nothing is written where a node cannot be
    compiled: each is named with the reason.
    """
    from pybuild import compiling

    sizes = compiling.parse_sizes(shape or (), capacity or ())
    precision = compiling.Precision(weights.value, half)
    compiling.compile_program(model, out, sizes, force, precision)


@app.command(epilog="Example: vitrine verify depth.onnx --shape image=1x3x256x256")
def verify(
    model: ModelArgument,
    shape: ShapeOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random inputs.")] = 0,
    tolerance: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of an output's largest magnitude; 0.001 if left out, 0.01 for 16-bit floats.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Compare an ONNX model on this machine's GPU with onnxruntime; exit status 1 if they differ.

    Where an output differs, the first node that does is named.
    """
    from pybuild import compiling, verifying

    sizes = compiling.parse_sizes(shape or ())
    return verifying.verify_model(model, sizes, seed, tolerance, as_json)


@app.command("run", epilog="Example: vitrine run depth-program --input image=image.npy -o out")
def run_(
    program: Annotated[Path, typer.Argument(metavar="DIR", help="A program: a compiled model.")],
    given: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME=FILE.npy", help="Once for each of its inputs."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Where each output is written as a .npy file."
        ),
    ] = None,
    count: Annotated[
        list[str] | None,
        typer.Option("--count", metavar="NAME=NUMBER", help="The live count of a dynamic axis."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Fill inputs that are not given with random numbers of this seed."
        ),
    ] = None,
    repeat: Annotated[
        int, typer.Option(min=1, max=10_000, help="Runs to take the median time of.")
    ] = 1,
    tune_seconds: Annotated[
        float,
        typer.Option(
            min=0, max=3600, help="For measuring which kernels are fastest here; remembered."
        ),
    ] = DEFAULT_BUDGET_S,
    no_tune: Annotated[
        bool, typer.Option("--no-tune", help="Take the default kernels, measure nothing.")
    ] = False,
) -> None:
    """Run a compiled model on this machine's GPU: .npy files in, a table and .npy files out."""
    options = RunOptions(given or (), count or (), seed, 0.0 if no_tune else tune_seconds, repeat)
    run_program(program, out, options)
