"""The commands that tell what a file holds: ``inspect`` and ``check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pybuild import commands, examining
from pybuild.cli.options import CapacityOption, JsonOption, ShapeOption, UpOption
from pyengine.contract.filter_override import OVERRIDES
from pyengine.errors import InputError

__all__ = ["app"]

app = typer.Typer()


@app.command(epilog="Example: vitrine inspect garden.ply --json")
def inspect(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|DIR", help="A scene file, a site, an ONNX model or a program's folder."
        ),
    ],
    as_json: JsonOption = False,
    up: UpOption = None,
    shape: ShapeOption = None,
    capacity: CapacityOption = None,
) -> None:
    """Tell what a scene or a network holds, what it costs on the GPU, and what is lost on the way.

    --up is for scenes, --shape and --capacity for models that leave sizes open.
    """
    if not examining.is_network(source):
        if shape or capacity:
            raise InputError(f"{source}: is no ONNX model; --shape and --capacity are for those")
        commands.inspect(source, as_json, up.value if up else None)
        return
    if up:
        raise InputError(f"{source}: --up is for scenes")
    examining.inspect(source, shape or (), capacity or (), as_json)


@app.command(epilog="Example: vitrine check candy.onnx@range=0..255,channels=bgr,output=styled")
def check(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL.onnx[@KEY=VALUE,...]",
            help="An ONNX file. Of a filter what its metadata do not say, as with --filter: "
            f"{', '.join(OVERRIDES)}; size=640x360 and tiles=32 to see whether they can be.",
        ),
    ],
    as_json: JsonOption = False,
) -> int:
    """Tell whether a model makes Gaussians or filters images, and how its tensors are understood.

    Everything that is wrong is named, and what to add; exit status 2 then.
    """
    return examining.check(model, as_json)
