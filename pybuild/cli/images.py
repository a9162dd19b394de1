"""The command that draws an image without a browser: ``render``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pybuild import arguments, rendering
from pybuild.cli.options import (
    BackgroundOption,
    EyeOption,
    FovOption,
    GivenOption,
    InstancesOption,
    SetOption,
    TargetOption,
    TimeOption,
    TrackOption,
    UpOption,
)
from pybuild.scene_file import source_of

__all__ = ["app"]

app = typer.Typer()


@app.command(
    epilog="Example: vitrine render garden.ply -o garden.png --size 1920x1080 --eye -1,0,-4"
)
def render(
    scene: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCENE...",
            help="A scene file, generator's model, bundle or site; or several objects, as in "
            "vitrine build.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.png", help="The image.")],
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="1280x720 if left out, or the size in the view file."),
    ] = None,
    eye: EyeOption = None,
    target: TargetOption = None,
    fov: FovOption = None,
    view: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON: width, height, fx, fy, cx, cy, view. With --size the same camera is "
            "drawn at that size: its vertical field of view stays.",
        ),
    ] = None,
    background: BackgroundOption = None,
    up: UpOption = None,
    time: TimeOption = None,
    given: GivenOption = None,
    settings: SetOption = None,
    track: TrackOption = None,
    instances: InstancesOption = None,
    filters: Annotated[
        str | None,
        typer.Option(
            "--filter",
            metavar="MODEL.onnx[@KEY=VALUE,...][+...]",
            help="A network that the image goes through, as in vitrine build; or the name of a "
            "filter that a built scene has.",
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            metavar="colour|depth|normals|outlines|overdraw",
            help="What is drawn of the splats; see docs/embedding.md.",
        ),
    ] = "colour",
) -> None:
    """Draw one image of SCENE without a browser: the blended colour as it is, no tone curve."""
    camera = rendering.Camera(
        arguments.point(eye, "--eye"),
        arguments.point(target, "--target"),
        fov,
        arguments.read_view(view) if view else None,
        arguments.size(size) if size else None,
    )
    drawing = rendering.Drawing(
        arguments.color(background),
        up.value if up else None,
        arguments.generator(time, given, settings, track, instances),
        filters,
        mode,
    )
    rendering.render(source_of(scene), out, camera, drawing)
