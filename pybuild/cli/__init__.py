"""The ``vitrine`` command: build, export, serve, render, inspect; compile, run, verify.

A module here declares some commands as they are typed, and hands what was given to the module of
pybuild that does the work. What is heavy is imported then, so that ``--help`` stays quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from pybuild.cli import images, networks, pages, reports
from pybuild.terminal import guarded, notice

__all__ = ["main"]

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
for _part in (pages, images, reports, networks):
    app.add_typer(_part.app)


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
