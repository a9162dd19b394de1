"""Which input and which output of a filter is what: by metadata, by the command line, by shape."""

from __future__ import annotations

from collections.abc import Sequence

from pyengine.contract.filter_override import Override
from pyengine.contract.images import WANTED, pictures
from pyengine.contract.inputs import STATE
from pyengine.contract.model import Port
from pyengine.contract.roles import INPUTS, OUTPUTS
from pyengine.contract.values import PREFIX, Metadata, nearest

__all__ = ["FILTER_INPUTS", "FILTER_OUTPUTS", "Roles", "input_roles", "output_roles"]

FILTER_INPUTS = (*("image", "depth", "previous", "time", "frame", "control", "latent", "viewport"),)
"""Besides: state:OUTPUT."""
FILTER_OUTPUTS = ("image", "state", "unused")

Roles = dict[str, tuple[str, str]]
"""Role and reason by name; the role is empty where nothing fills an input."""

_OVERRIDDEN = "given with --filter"
_SHAPE = "it alone has the shape of an image"


def input_roles(meta: Metadata, ports: Sequence[Port], override: Override) -> Roles:
    """Role and reason of each input; exactly one is the image, or there is a problem."""
    roles = {port.name: _said_input(meta, port.name) for port in ports}
    if override.source is not None:
        for name, (role, why) in roles.items():
            roles[name] = ("", "") if role == "image" else (role, why)
        roles[override.source] = "image", _OVERRIDDEN
    images = [name for name, (role, _) in roles.items() if role == "image"]
    if len(images) > 1:
        meta.problems.append(_twice("inputs", images))
    if not images and not any(not role and why for role, why in roles.values()):
        _find_source(meta, ports, roles)
    for port in ports:
        if not roles[port.name][0] and f"{PREFIX}input.{port.name}" not in meta.entries:
            meta.problems.append(
                f"input {port.name!r} {port.dtype} {port.shape}: nothing fills it; add "
                f"{PREFIX}input.{port.name} = {_guess(port)}{_besides(meta)}"
            )
    return roles


def output_roles(meta: Metadata, ports: Sequence[Port], override: Override) -> Roles:
    """Role and reason of each output; exactly one is the image, or there is a problem."""
    roles = {port.name: _said_output(meta, port.name) for port in ports}
    nothing_said = not any(f"{PREFIX}output.{port.name}" in meta.entries for port in ports)
    if override.product is not None:
        for name, (role, why) in roles.items():
            roles[name] = ("unused", _OVERRIDDEN) if role == "image" else (role, why)
        roles[override.product] = "image", _OVERRIDDEN
    elif nothing_said:
        found = next((p for p in ports if len(p.shape) > 2 and _is_image(p, (1, 3))), None)
        if found is not None:
            roles[found.name] = "image", "the first with the shape of an image"
    images = [name for name, (role, _) in roles.items() if role == "image"]
    if len(images) > 1:
        meta.problems.append(_twice("outputs", images))
    if not images:
        has = ", ".join(f"{port.name!r} {port.shape}" for port in ports[:8]) or "none"
        name = ports[0].name if ports else "NAME"
        meta.problems.append(
            f"no output is the image: wanted {WANTED}; its outputs are {has}. Say which it is: "
            f"{PREFIX}output.{name} = image{_besides(meta)}"
        )
    return roles


def _said_input(meta: Metadata, name: str) -> tuple[str, str]:
    key = f"input.{name}"
    role = meta.text(key)
    if role is None:
        if meta.text(f"control.{name}") is not None:
            return "control", f"{PREFIX}control.{name}"
        return "", ""
    if role in FILTER_INPUTS or role.startswith(STATE):
        return role, PREFIX + key
    words = (*FILTER_INPUTS, f"{STATE}OUTPUT")
    if role in INPUTS:
        hint = f"; {role} is for generators"
    else:
        hint = nearest(role, words)
    meta.wrong(key, f"one of {', '.join(words)}{hint}")
    return "", PREFIX + key


def _said_output(meta: Metadata, name: str) -> tuple[str, str]:
    key = f"output.{name}"
    role = meta.text(key)
    if role is None:
        return "unused", "nothing asks for it"
    if role not in FILTER_OUTPUTS:
        hint = nearest(role, FILTER_OUTPUTS)
        if role in OUTPUTS or role == "gaussian.count":
            hint = f"; {role} is for generators"
        meta.wrong(key, f"one of {', '.join(FILTER_OUTPUTS)}{hint}")
        role = "unused"
    return role, PREFIX + key


def _find_source(meta: Metadata, ports: Sequence[Port], roles: Roles) -> None:
    """The one input that has no role and the shape of an image."""
    free = [port for port in ports if roles[port.name] == ("", "") and len(port.shape) > 2]
    found = [port.name for port in free if _is_image(port, (1, 3, 4))]
    if len(found) == 1:
        roles[found[0]] = "image", _SHAPE
        return
    if found:
        both = " and ".join(map(repr, found[:8]))
        told = f"inputs {both} have the shape of an image, and no metadata tell which it is"
        example = found[0]
    else:
        has = ", ".join(f"{port.name!r} {port.shape}" for port in ports[:8]) or "none"
        told = f"no input is the image: wanted {WANTED}; its inputs are {has}"
        example = ports[0].name if ports else "NAME"
    meta.problems.append(
        f"{told}. Say which it is: {PREFIX}input.{example} = image{_besides(meta)}"
    )


def _is_image(port: Port, counts: Sequence[int]) -> bool:
    return next(pictures(port.shape, counts), None) is not None


def _guess(port: Port) -> str:
    """A role that a shape may be meant for."""
    if len(port.shape) > 2 and _is_image(port, (1,)):
        return "depth, or previous"
    if len(port.shape) > 2 and _is_image(port, (3,)):
        return "previous"
    if all(size == 1 for size in port.shape):
        return "time, or control"
    return "latent, or another role of docs/contract.md"


def _besides(meta: Metadata) -> str:
    """What a model without metadata must say first."""
    if meta.entries:
        return ""
    return f", with {PREFIX}contract = 1 and {PREFIX}kind = filter"


def _twice(what: str, names: Sequence[str]) -> str:
    both = " and ".join(map(repr, names[:8]))
    return f"{what} {both} all have the role image; one may have it"
