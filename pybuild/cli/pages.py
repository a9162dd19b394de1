"""The commands that make and show a page: ``build``, ``export`` and ``serve``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pybuild import arguments, commands
from pybuild.cli.options import (
    BackgroundOption,
    EyeOption,
    FilterOption,
    FovOption,
    GivenOption,
    InstancesOption,
    ScenesArgument,
    SetOption,
    TargetOption,
    TimeOption,
    TrackOption,
    Up,
    UpOption,
)
from pybuild.options import BuildOptions, GeneratorOptions
from pybuild.scene_file import source_of

__all__ = ["app"]

app = typer.Typer()

TitleOption = Annotated[str | None, typer.Option(help="Title of the page.")]
DescriptionOption = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="A sentence or two, for search and previews of links."),
]
PosterOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A picture to show until the scene is there; else drawn."),
]
UrlOption = Annotated[
    str | None,
    typer.Option(metavar="https://...", help="Where the page will be, for previews of links."),
]


@app.command(
    epilog="Example: vitrine build garden.ply -o site --eye 0,-1,-4 --target 0,0,0. "
    "vitrine build room.ply chair.spz dancer.onnx -o site. vitrine build scene.toml -o site, where "
    "scene.toml has for each object: [[object]] file = 'chair.spz', name = 'chair', "
    "position = [0, 0, 1.5], rotation_deg = [0, 90, 0] (about x, then y, then z) or quaternion = "
    "[x, y, z, w], scale = 1.5, visible = true, opacity = 1, tint = [1, 1, 1], up = '-y'; all but "
    "file may be left out (docs/formats.md)."
)
def build(
    scene: ScenesArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The site's folder.")],
    up: UpOption = None,
    eye: EyeOption = None,
    target: TargetOption = None,
    fov: FovOption = None,
    background: BackgroundOption = None,
    title: TitleOption = None,
    description: DescriptionOption = None,
    poster: PosterOption = None,
    url: UrlOption = None,
    time: TimeOption = None,
    given: GivenOption = None,
    settings: SetOption = None,
    track: TrackOption = None,
    instances: InstancesOption = None,
    filters: FilterOption = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline/--no-offline",
            help="Whether a page that was opened once opens again without its server.",
        ),
    ] = True,
) -> None:
    """Make a folder with a web page that shows SCENE; any static host can serve it.

    Of several scenes, each becomes an object that can be moved, turned, scaled and hidden.

    A site that Vitrine built before is replaced; a folder with anything else is left alone.
    """
    made = arguments.generator(time, given, settings, track, instances)
    options = _page_options(up, eye, target, fov, background, title, made, filters)
    page = _said(options, description, poster, url)
    commands.build(source_of(scene), out, replace(page, offline=offline))


@app.command(
    epilog="Example: vitrine export garden.ply -o garden.html --eye 0,-1,-4 --target 0,0,0. "
    "vitrine export site -o site.html packs a site that vitrine build made. The page loads nothing "
    "from elsewhere, and its browser sees to that."
)
def export(
    scene: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCENE...|DIR",
            help="Whatever vitrine build takes; or a site that it made.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PAGE.html", help="The page.")],
    up: UpOption = None,
    eye: EyeOption = None,
    target: TargetOption = None,
    fov: FovOption = None,
    background: BackgroundOption = None,
    title: TitleOption = None,
    description: DescriptionOption = None,
    poster: PosterOption = None,
    url: UrlOption = None,
    time: TimeOption = None,
    given: GivenOption = None,
    settings: SetOption = None,
    track: TrackOption = None,
    instances: InstancesOption = None,
    filters: FilterOption = None,
) -> None:
    """Make one HTML file that shows SCENE from disk: scene, engine and Python are inside it.

    The engine takes some 11 MB of it, the scene a third more than in a folder. No server is needed,
    and nothing is downloaded. For a web site vitrine build is better: its visitors see the scene
    sooner, and their browsers keep the engine.
    """
    from pybuild import exporting

    made = arguments.generator(time, given, settings, track, instances)
    options = _page_options(up, eye, target, fov, background, title, made, filters)
    exporting.export(source_of(scene), out, _said(options, description, poster, url))


@app.command(epilog="Example: vitrine serve site --watch garden.ply")
def serve(
    source: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR|SCENE...",
            help="A site; or scene files, a model or a scene.toml, built for this once.",
        ),
    ],
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="0.0.0.0 shows the site to the network.")] = "127.0.0.1",
    watch: Annotated[
        Path | None,
        typer.Option(
            metavar="SCENE",
            help="Build DIR from SCENE with the options of its last build, again whenever it "
            "changes, and reload the page.",
        ),
    ] = None,
    up: UpOption = None,
    time: TimeOption = None,
    given: GivenOption = None,
    settings: SetOption = None,
    track: TrackOption = None,
    instances: InstancesOption = None,
    filters: FilterOption = None,
) -> None:
    """Serve a site for this machine until Ctrl-C.

    --up and the options of generators are for scene files and models.
    """
    options = BuildOptions(
        up=up.value if up else None,
        generator=arguments.generator(time, given, settings, track, instances),
        filters=tuple(filters or ()),
    )
    commands.serve(source_of(source), host, port, watch, options)


def _page_options(
    up: Up | None,
    eye: str | None,
    target: str | None,
    fov: float | None,
    background: str | None,
    title: str | None,
    made: GeneratorOptions,
    filters: list[str] | None,
) -> BuildOptions:
    """What the commands that make a page are told of it."""
    return BuildOptions(
        up.value if up else None,
        arguments.point(eye, "--eye"),
        arguments.point(target, "--target"),
        fov,
        arguments.color(background),
        title,
        made,
        tuple(filters or ()),
    )


def _said(
    options: BuildOptions, description: str | None, poster: Path | None, url: str | None
) -> BuildOptions:
    """The options, with what the page says of itself."""
    return replace(
        options,
        description=description,
        poster=str(poster) if poster else None,
        url=arguments.address(url),
    )
