"""WGSL files to compilable text: includes resolved, shared structs and constants prepended.

Two directives, each a comment so that a file stays plain WGSL to every tool::

    // #include "sort/digits.wgsl"      another file, once, relative to the shaders folder
    // #struct Frame Splat              structs of pyengine.structs, once
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pyengine.errors import PlanError
from pyengine.structs import STRUCTS

__all__ = ["SHADER_FOLDER", "assemble", "keep_texts"]

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parent / "shaders"
SHADER_FOLDER = _CHECKOUT if _CHECKOUT.is_dir() else _HERE / "wgsl"
"""Where they are in a checkout, or where an installation has them."""

_DIRECTIVE = re.compile(r"^//\s*#(include|struct)\s+(.*?)\s*$", re.MULTILINE)
_kept: dict[str, str] = {}


def keep_texts() -> None:
    """Read every shader now: a snapshot of the engine has no files beside it."""
    for file in SHADER_FOLDER.rglob("*.wgsl"):
        _kept[file.relative_to(SHADER_FOLDER).as_posix()] = file.read_text(encoding="utf-8")


def assemble(
    path: str,
    constants: Mapping[str, int | float | bool] | None = None,
    folder: Path = SHADER_FOLDER,
) -> str:
    """Text of a shader that naga and Tint accept.

    Parameters
    ----------
    path : str
        Relative to ``folder``.
    constants : mapping, optional
        Becomes ``const NAME: type = value;`` at the top; int is u32, float is f32.

    Raises
    ------
    PlanError
        A missing file, an unknown struct, an include outside the folder.
    """
    header = [_declare(name, value) for name, value in sorted((constants or {}).items())]
    seen = {path}
    body = _expand(path, folder, seen)
    return "\n".join([f"// {path}", *header, body])


def _declare(name: str, value: int | float | bool) -> str:
    if isinstance(value, bool):
        return f"const {name}: bool = {str(value).lower()};"
    if isinstance(value, int):
        return f"const {name}: u32 = {value}u;"
    return f"const {name}: f32 = {value!r}f;"


def _expand(path: str, folder: Path, seen: set[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        directive, argument = match.groups()
        if directive == "include":
            target = argument.strip('"')
            if target in seen:
                return ""
            seen.add(target)
            return _expand(target, folder, seen)
        texts = []
        for name in argument.split():
            if name not in STRUCTS:
                raise PlanError(f"{path}: struct {name!r} is not declared in structs.py")
            if name not in seen:
                seen.add(name)
                texts.append(STRUCTS[name].wgsl())
        return "\n".join(texts)

    return _DIRECTIVE.sub(replace, _text(path, folder))


def _text(path: str, folder: Path) -> str:
    if folder == SHADER_FOLDER and path in _kept:
        return _kept[path]
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise PlanError(f"shader {path!r} is not in {folder}")
    return file.read_text(encoding="utf-8")
