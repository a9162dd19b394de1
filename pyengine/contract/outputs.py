"""The outputs of a generator: which is what, and whether they fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyengine.contract.model import Port, Product
from pyengine.contract.roles import (
    ACTIVATIONS,
    FLOATS,
    INTEGERS,
    MAX_GAUSSIANS,
    OUTPUTS,
    QUANTISED,
    SH_COUNTS,
    foreign_outputs,
    known,
)
from pyengine.contract.values import PREFIX, Metadata, is_number, nearest

__all__ = ["Outputs", "read_outputs"]

_ROLES = (*OUTPUTS, "gaussian.count", "state", "unused")
_QUANTIZATION = '{"scale": 0.01, "zero_point": 0}, a scale above 0 and a zero point of its type'


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs, and what they say together: see `Contract`."""

    products: tuple[Product, ...]
    capacity: int
    sh_degree: int


def read_outputs(meta: Metadata, ports: Sequence[Port]) -> Outputs:
    """Understand the outputs; what is wrong is added to ``meta.problems``."""
    roles = _roles(meta, ports)
    holder: dict[str, Port] = {}
    for port in ports:
        role = roles[port.name][0]
        if role in ("state", "unused"):
            continue
        if role in holder:
            meta.problems.append(
                f"outputs {holder[role].name!r} and {port.name!r} both have the role {role}; "
                "one may have it"
            )
        else:
            holder[role] = port
    _complete(meta, holder, ports)
    rows = _common_rows(holder)
    products = [_product(meta, port, *roles[port.name], rows) for port in ports]
    return Outputs(tuple(products), rows, _degree(holder.get("gaussian.sh"), rows))


def _roles(meta: Metadata, ports: Sequence[Port]) -> dict[str, tuple[str, str]]:
    """Role and reason of each output."""
    said = {port.name: meta.text(f"output.{port.name}") for port in ports}
    if not any(said.values()):
        foreign = foreign_outputs(ports)
        return {p.name: foreign.get(p.name, ("unused", "nothing asks for it")) for p in ports}
    roles = {}
    for name, role in said.items():
        if role is not None and role not in _ROLES:
            meta.wrong(f"output.{name}", f"one of {', '.join(_ROLES)}{nearest(role, _ROLES)}")
            role = "unused"
        key = f"{PREFIX}output.{name}"
        roles[name] = (role, key) if role else ("unused", f"there is no {key}")
    return roles


def _complete(meta: Metadata, holder: Mapping[str, Port], ports: Sequence[Port]) -> None:
    """Whether every Gaussian has place, shape, opacity and colour, and only one of each."""
    has = holder.keys()
    if not has - {"gaussian.count"}:
        names = ", ".join(repr(port.name) for port in ports[:8])
        meta.problems.append(
            f"no output makes Gaussians; its outputs are {names}. Say what they are, such as "
            f"{PREFIX}output.{ports[0].name if ports else 'xyz'} = gaussian.position"
        )
        return

    def both(first: str, second: str) -> None:
        if {first, second} <= has:
            meta.problems.append(
                f"outputs {holder[first].name!r} ({first}) and {holder[second].name!r} ({second}) "
                "say the same thing; leave one out"
            )

    def missing(role: str, hint: str = "") -> None:
        meta.problems.append(f"no output has the role {role}{hint}")

    both("gaussian.color", "gaussian.sh")
    if not has & {"gaussian.color", "gaussian.sh"}:
        missing("gaussian.color", " or gaussian.sh")
    shape = ("gaussian.scale", "gaussian.rotation")
    if "gaussian.packed" in has:
        for role in ("gaussian.position", "gaussian.opacity", "gaussian.covariance", *shape):
            both("gaussian.packed", role)
        return
    for role in ("gaussian.position", "gaussian.opacity"):
        if role not in has:
            missing(role)
    if "gaussian.covariance" in has:
        for role in shape:
            both("gaussian.covariance", role)
    elif not has & {*shape}:
        missing("gaussian.covariance", ", nor gaussian.scale with gaussian.rotation")
    else:
        for role in shape:
            if role not in has:
                missing(role, f"; {next(iter(has & {*shape}))} needs it")


def _common_rows(holder: Mapping[str, Port]) -> int:
    """N: what most outputs can have, the position's own where they are even; 0 if none has any."""
    votes: dict[int, int] = {}
    for role in ("gaussian.packed", "gaussian.position", *OUTPUTS):
        shape = known(holder[role].shape) if role in holder else None
        for rows in OUTPUTS[role].rows(shape) if shape else ():
            votes[rows] = votes.get(rows, 0) + 1
    return max(votes, key=lambda rows: votes[rows], default=0)


def _product(meta: Metadata, port: Port, role: str, why: str, rows: int) -> Product:
    shape = known(port.shape)
    name, told = port.name, f"output {port.name!r} ({role})"
    if role != "unused" and shape is None:
        open_ = ", ".join(str(size) for size in port.shape if known((size,)) is None)
        meta.problems.append(f"{told}: its size {open_} is open; export it with fixed sizes")
    elif shape is not None and role == "gaussian.count":
        if port.dtype not in INTEGERS or shape.count(1) != len(shape):
            meta.problems.append(f"{told}: wanted one integer, got {port.dtype} {shape}")
    elif shape is not None and role in OUTPUTS:
        _check_rows(meta, port, role, shape, rows)
    activation = meta.choice(f"activation.{name}", ACTIVATIONS, "none")
    allowed = OUTPUTS[role].activations if role in OUTPUTS else ("none",)
    if activation not in allowed:
        meta.wrong(f"activation.{name}", f"{' or '.join(allowed)} for {role}")
        activation = "none"
    quantization = _quantization(meta, port, role)
    return Product(name, role, shape or (), port.dtype, activation, quantization, why)


def _check_rows(meta: Metadata, port: Port, role: str, shape: tuple[int, ...], rows: int) -> None:
    told, spec = f"output {port.name!r} ({role})", OUTPUTS[role]
    found = spec.rows(shape)
    if not found:
        meta.problems.append(f"{told}: wanted {spec.wanted}, got {shape}")
    elif rows not in found:
        meta.problems.append(
            f"{told}: wanted {spec.wanted} with N = {rows} as the others, got {shape}"
        )
    elif not 0 < rows <= MAX_GAUSSIANS:
        meta.problems.append(f"{told}: wanted 1 to {MAX_GAUSSIANS} Gaussians, got {rows}")
    if port.dtype not in (*FLOATS, *QUANTISED):
        meta.problems.append(
            f"{told}: wanted float32, float16, or int8 or uint8 with "
            f"{PREFIX}quantization.{port.name}, got {port.dtype}"
        )


def _quantization(meta: Metadata, port: Port, role: str) -> tuple[float, int] | None:
    key = f"quantization.{port.name}"
    if meta.text(key) is None:
        if role in OUTPUTS and port.dtype in QUANTISED:
            meta.problems.append(
                f"output {port.name!r} ({role}): is {port.dtype} without a scale; add "
                f'{PREFIX}{key} = {{"scale": 0.01, "zero_point": 0}}'
            )
        return None
    if role not in OUTPUTS or port.dtype not in QUANTISED:
        meta.wrong(key, f"none: {port.name!r} is {port.dtype}, {role}")
        return None
    value = meta.object(key, _QUANTIZATION, ("scale",), ("zero_point",))
    if value is None:
        return None
    scale, zero = value["scale"], value.get("zero_point", 0)
    low, high = QUANTISED[port.dtype]
    whole = isinstance(zero, int) and not isinstance(zero, bool)
    if whole and is_number(zero) and low <= zero <= high and is_number(scale) and scale > 0:
        return float(scale), int(zero)
    meta.wrong(key, _QUANTIZATION)
    return None


def _degree(port: Port | None, rows: int) -> int:
    """Of SH; 0 without."""
    shape = known(port.shape) if port else None
    if not shape or not rows:
        return 0
    elements = 1
    for size in shape:
        elements *= size
    count = elements // rows // 3
    return SH_COUNTS.index(count) if count in SH_COUNTS else 0
