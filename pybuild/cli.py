"""The ``vitrine`` command: build, export, serve, render, inspect; compile, run, verify."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from pybuild import arguments, commands, examining
from pybuild.options import BuildOptions, GeneratorOptions
from pybuild.running import RunOptions, run_program
from pybuild.scene_file import source_of
from pybuild.terminal import guarded, notice
from pyengine.contract.filter_override import OVERRIDES
from pyengine.errors import InputError
from pyengine.tuning import DEFAULT_BUDGET_S

__all__ = ["main"]


class Up(StrEnum):
    """Which of the file's axes points up; source takes them as they stand."""

    SOURCE, Y, MINUS_Y, Z, MINUS_Z = "source", "y", "-y", "z", "-z"


class Weights(StrEnum):
    """How a program keeps large constants."""

    F32, F16, I8, I4 = "f32", "f16", "i8", "i4"


app = typer.Typer(
    name="vitrine",
    help="Gaussian-splat scenes and ONNX networks to web pages and images.",
    epilog="Example: vitrine build scene.ply -o site && vitrine serve site",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
    float | None, typer.Option(metavar="DEG", help="Vertical field of view, degrees.")
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


@app.callback(invoke_without_command=True)
def top(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True)
    ] = False,
) -> None:
    """Gaussian-splat scenes and ONNX networks to web pages and images.

    Scenes: PLY, compressed PLY, .splat, SPZ, SOG.
    """
    if show_version:
        try:
            print(f"vitrine {version('vitrine')}")
        except PackageNotFoundError:
            print("vitrine (not installed)")
        raise typer.Exit


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
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    time: TimeOption = None,
    given: GivenOption = None,
    settings: SetOption = None,
    track: TrackOption = None,
    instances: InstancesOption = None,
    filters: FilterOption = None,
) -> None:
    """Make a folder with a web page that shows SCENE; any static host can serve it.

    Of several scenes, each becomes an object that can be moved, turned, scaled and hidden.

    A site that Vitrine built before is replaced; a folder with anything else is left alone.
    """
    made = arguments.generator(time, given, settings, track, instances)
    options = _page_options(up, eye, target, fov, background, title, made, filters)
    commands.build(source_of(scene), out, options)


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
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
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
    exporting.export(source_of(scene), out, options)


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
    camera = commands.Camera(
        arguments.point(eye, "--eye"),
        arguments.point(target, "--target"),
        fov,
        arguments.read_view(view) if view else None,
        arguments.size(size) if size else None,
    )
    drawing = commands.Drawing(
        arguments.color(background),
        up.value if up else None,
        arguments.generator(time, given, settings, track, instances),
        filters,
        mode,
    )
    commands.render(source_of(scene), out, camera, drawing)


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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""

    def work() -> int:
        command = typer.main.get_command(app)
        arguments_ = list(sys.argv[1:] if argv is None else argv)
        try:
            result = command.main(arguments_, prog_name="vitrine", standalone_mode=False)
        except typer.Abort:
            raise KeyboardInterrupt from None
        except Exception as error:
            message = getattr(error, "format_message", None)  # typer's usage errors, vendored
            if message is None:
                raise
            notice(f"{message()} Try: vitrine --help")
            return 2
        return result if isinstance(result, int) else 0

    return guarded(work)


if __name__ == "__main__":
    sys.exit(main())
