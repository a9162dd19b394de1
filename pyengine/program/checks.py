"""The rules of a program that no part of it shows alone: names, and what fits into what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyengine.errors import BundleError
from pyengine.plan import Indirect, Range

if TYPE_CHECKING:
    from pyengine.program.model import Program, ProgramDispatch

__all__ = ["check"]

_FEATURES = ("shader-f16",)
_ARGUMENT_BYTES = 12


def check(program: Program, where: str) -> None:
    """Raise `BundleError` at the first rule that ``program`` breaks."""
    for kind in ("inputs", "outputs", "buffers", "pipelines"):
        names = [item.name for item in getattr(program, kind)]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise BundleError(f"{where}: {kind}: the name {twice!r} is used twice")
    sizes = {buffer.name: buffer.size_bytes for buffer in program.buffers}
    for tensor in (*program.inputs, *program.outputs):
        _fits(tensor.buffer, tensor.size_bytes, sizes, f"{where}: tensor {tensor.name!r}")
    for name in program.textures:
        if name in sizes or any(name == tensor.name for tensor in program.inputs):
            raise BundleError(f"{where}: texture {name!r} has the name of an input or a buffer")
    for symbol, buffer in program.counts.items():
        if not isinstance(buffer, str):
            raise BundleError(f"{where}: count {symbol!r} must be a buffer, got {buffer!r}")
        _fits(buffer, 4, sizes, f"{where}: count {symbol!r}")
    for shader in program.subgroups:
        if shader not in program.shaders:
            raise BundleError(f"{where}: 'subgroups': there is no shader {shader!r}")
    for feature in program.features:
        if feature not in _FEATURES:
            raise BundleError(f"{where}: feature {feature!r} is not one of {', '.join(_FEATURES)}")
    for name, value in program.metadata.items():
        if not isinstance(value, str):
            raise BundleError(f"{where}: metadata {name!r} must be a string, got {value!r}")
    for pipeline in program.pipelines:
        if pipeline.shader not in program.shaders:
            raise BundleError(
                f"{where}: pipeline {pipeline.name!r}: there is no shader {pipeline.shader!r}"
            )
    layouts = {pipeline.name: pipeline.layout for pipeline in program.pipelines}
    for index, dispatch in enumerate(program.dispatches):
        told = f"{where}: dispatches[{index}] ({dispatch.label})"
        for part in dispatch.bindings:
            if isinstance(part, Range):
                _fits(part.buffer, part.offset_bytes + part.size_bytes, sizes, told)
            elif part not in program.textures:
                raise BundleError(f"{told}: there is no texture {part!r}")
        _check_dispatch(dispatch, layouts, sizes, told)


def _check_dispatch(
    dispatch: ProgramDispatch,
    layouts: Mapping[str, tuple[str, ...]],
    sizes: Mapping[str, int],
    where: str,
) -> None:
    for candidate in dispatch.candidates:
        layout = layouts.get(candidate.pipeline)
        if layout is None:
            raise BundleError(f"{where}: there is no pipeline {candidate.pipeline!r}")
        if len(layout) != len(dispatch.bindings):
            raise BundleError(
                f"{where}: pipeline {candidate.pipeline!r} takes {len(layout)} bindings, "
                f"got {len(dispatch.bindings)}"
            )
        for number, (access, part) in enumerate(zip(layout, dispatch.bindings, strict=True)):
            if (access == "texture") != isinstance(part, str):
                kind = "a texture" if isinstance(part, str) else "a buffer"
                raise BundleError(
                    f"{where}: pipeline {candidate.pipeline!r} takes {access} at binding {number}, "
                    f"got {kind}"
                )
        bound = tuple(
            (access, part)
            for access, part in zip(layout, dispatch.bindings, strict=True)
            if isinstance(part, Range)
        )
        if isinstance(candidate.workgroups, Indirect):
            arguments = candidate.workgroups
            _fits(arguments.buffer, arguments.offset_bytes + _ARGUMENT_BYTES, sizes, where)
            if any(a == "read_write" and part.buffer == arguments.buffer for a, part in bound):
                raise BundleError(f"{where}: writes its own workgroups, {arguments.buffer!r}")
        for number, (access, part) in enumerate(bound):
            for other_access, other in bound[number + 1 :]:
                written = "read_write" in (access, other_access)
                if (
                    written
                    and part.buffer == other.buffer
                    and (access != other_access or part.overlaps(other))
                ):
                    raise BundleError(
                        f"{where}: buffer {part.buffer!r} is bound {access} and {other_access}; "
                        "WebGPU wants both read_write and apart from each other"
                    )


def _fits(buffer: str, end: int, sizes: Mapping[str, int], where: str) -> None:
    if buffer not in sizes:
        raise BundleError(f"{where}: there is no buffer {buffer!r}")
    if end > sizes[buffer]:
        raise BundleError(f"{where}: buffer {buffer!r} has {sizes[buffer]} bytes, {end} are wanted")
