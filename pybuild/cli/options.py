"""Arguments and options that several commands take, and what ``--help`` says of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BackgroundOption",
    "CapacityOption",
    "EyeOption",
    "FilterOption",
    "FovOption",
    "GivenOption",
    "InstancesOption",
    "JsonOption",
    "ModelArgument",
    "ScenesArgument",
    "SetOption",
    "ShapeOption",
    "TargetOption",
    "TimeOption",
    "TrackOption",
    "Up",
    "UpOption",
]


class Up(StrEnum):
    """Which of the file's axes points up; source takes them as they stand."""

    SOURCE, Y, MINUS_Y, Z, MINUS_Z = "source", "y", "-y", "z", "-z"


UpOption = Annotated[
    Up | None, typer.Option(help="The file's axis that points up; the format's own if left out.")
]
EyeOption = Annotated[
    str | None, typer.Option(metavar="X,Y,Z", help="Camera position, world units, PLY axes.")
]
TargetOption = Annotated[
    str | None, typer.Option(metavar="X,Y,Z", help="What the camera looks at.")
]
FovOption = Annotated[
    float | None, typer.Option(metavar="DEG", help="Field of view over the shorter side, degrees.")
]
BackgroundOption = Annotated[
    str | None, typer.Option(metavar="R,G,B", help="0 to 1 each; black if left out.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
ShapeOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=1x3x256x256", help="Sizes of an input, or of a symbol; once for each."
    ),
]
CapacityOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SYMBOL=1000", help="A symbol that stays open, and the most that it can be."
    ),
]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="An ONNX file.")]
ScenesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="SCENE...",
        help="A scene file, or a generator's ONNX model; several of them, at most one a model; or "
        "a scene.toml that says where each stands.",
    ),
]
TimeOption = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Generators: of the picture. A state does its steps."),
]
GivenOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=FILE",
        help="Generators: an array (.npy), or a picture for an image; once for each input.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Generators: a slider; once for each."),
]
TrackOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FILE.npy@FPS",
        help="Generators: values of an input over time, a row a frame; 30 a second if left out.",
    ),
]
InstancesOption = Annotated[
    str | None,
    typer.Option(
        metavar="N|FILE.npy",
        help="Generators: so many side by side, or one for each of (B, 4, 4) matrices, model to "
        "world. Tracks start one after the other.",
    ),
]
FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="MODEL.onnx[@KEY=VALUE,...][+...]",
        help="A network on the image; once for each that can be picked, the first is on. Keys: "
        "range=0..255, channels=bgr, size=640x360, tiles=32, strength=0.8, name=... With + one "
        "reads the image of the one before.",
    ),
]
