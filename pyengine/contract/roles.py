"""What an input or an output may be, the shapes and types it may have then, and the rule of names.

A leading axis of 1 changes nothing anywhere: (1, N, 3) is (N, 3).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyengine.contract.model import Port

__all__ = [
    "ACTIVATIONS",
    "FLOATS",
    "INPUTS",
    "INTEGERS",
    "MAX_ELEMENTS",
    "MAX_GAUSSIANS",
    "OUTPUTS",
    "QUANTISED",
    "SH_COUNTS",
    "Gaussians",
    "Input",
    "foreign_input",
    "foreign_outputs",
    "image_layouts",
    "known",
]

Shape = tuple[int, ...]

MAX_ELEMENTS = 1 << 26
"""Of an input."""

MAX_GAUSSIANS = 1 << 28

FLOATS = ("float32", "float16")
INTEGERS = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")
QUANTISED = {"int8": (-128, 127), "uint8": (0, 255)}
"""Types of outputs that come with a scale, and the zero points that they can have."""
SH_COUNTS = (1, 4, 9, 16)
"""Coefficients of degree 0 to 3."""


@dataclass(frozen=True, slots=True)
class Input:
    """What fills an input.

    Attributes
    ----------
    wanted : str
        Its shape, for messages.
    fits : callable
        Whether a shape does.
    types : sequence of str
    settable : bool
        The page or a user sets it, so that it may have a default.
    """

    wanted: str
    fits: Callable[[Shape], bool]
    types: Sequence[str] = FLOATS
    settable: bool = False


@dataclass(frozen=True, slots=True)
class Gaussians:
    """What an output with a row for each Gaussian holds.

    Attributes
    ----------
    wanted : str
        Its shapes, for messages.
    widths : sequence of int
        Numbers a row that it may have.
    activations : sequence of str
        What may still have to be applied.
    triples : bool
        A row may be a matrix with three columns.
    """

    wanted: str
    widths: Sequence[int]
    activations: Sequence[str] = ("none",)
    triples: bool = False

    def rows(self, shape: Shape) -> tuple[int, ...]:
        """How many Gaussians a shape may stand for; none where it cannot be of this role.

        A flat axis holds rows one after the other.
        """
        core = _core(shape, 3)
        found = {}
        for width in self.widths:
            if self.triples and len(core) == 3 and core[1:] == (width // 3, 3):
                found[core[0]] = True
            flat = _core(core, 2)
            if len(flat) == 2 and flat[1] == width:
                found[flat[0]] = True
            flat = _core(core, 1)
            if len(flat) == 1 and flat[0] % width == 0:
                found[flat[0] // width] = True
        return tuple(found)


def _core(shape: Shape, rank: int) -> Shape:
    """Without leading ones, down to a rank."""
    while len(shape) > rank and shape[0] == 1:
        shape = shape[1:]
    return shape


def _one(shape: Shape) -> bool:
    return math.prod(shape) == 1


def _matrix(shape: Shape) -> bool:
    return _core(shape, 2) == (4, 4) or _core(shape, 1) == (16,)


def _vector(*lengths: int) -> Callable[[Shape], bool]:
    return lambda shape: len(_core(shape, 1)) == 1 and _core(shape, 1)[0] in lengths


def _joints(shape: Shape) -> bool:
    if len(shape) >= 3 and shape[-2:] == (4, 4):
        return len(_core(shape, 3)) == 3
    return len(shape) >= 2 and shape[-1] == 3 and len(_core(shape, 2)) == 2


def _some(shape: Shape) -> bool:
    return math.prod(shape) > 0


def _list(shape: Shape) -> bool:
    return len(_core(shape, 1)) == 1 and _some(shape)


def _mel(shape: Shape) -> bool:
    return 1 <= len(_core(shape, 2)) <= 2 and len(shape) > 0 and _some(shape)


def image_layouts(shape: Shape) -> Iterator[tuple[str, int, int, int]]:
    """Ways to see a shape as an image: layout, channels, height, width; the usual one first."""
    core = _core(shape, 3)
    if len(core) == 2:
        core = (1, *core)
    if len(core) != 3 or not _some(core):
        return
    if core[0] in (1, 3):
        yield "nchw", core[0], core[1], core[2]
    if core[2] in (1, 3):
        yield "nhwc", core[2], core[0], core[1]


def _image(shape: Shape) -> bool:
    return next(image_layouts(shape), None) is not None


INPUTS: Mapping[str, Input] = {
    "camera.view": Input("(4, 4)", _matrix),
    "camera.projection": Input("(4, 4)", _matrix),
    "camera.position": Input("(3,)", _vector(3)),
    "viewport": Input("(4,)", _vector(4)),
    "time": Input("one element", _one),
    "phase": Input("one element", _one),
    "frame": Input("one element", _one, (*FLOATS, *INTEGERS)),
    "joints": Input("(J, 3) or (J, 4, 4)", _joints, settable=True),
    "weights": Input("(K,)", _list, settable=True),
    "audio.mel": Input("(M,) or (T, M)", _mel, settable=True),
    "pointer": Input("(2,) or (3,)", _vector(2, 3), settable=True),
    "latent": Input("any with elements", _some, settable=True),
    "image": Input(
        "(1, 3, H, W), (1, H, W, 3), or 1 channel instead of 3", _image, (*FLOATS, "uint8")
    ),
    "control": Input("one element", _one, settable=True),
}

OUTPUTS: Mapping[str, Gaussians] = {
    "gaussian.position": Gaussians("(N, 3)", (3,)),
    "gaussian.scale": Gaussians("(N, 3)", (3,), ("none", "exp", "sigmoid")),
    "gaussian.rotation": Gaussians("(N, 4)", (4,), ("none", "normalize")),
    "gaussian.covariance": Gaussians("(N, 6)", (6,)),
    "gaussian.opacity": Gaussians("(N,) or (N, 1)", (1,), ("none", "sigmoid")),
    "gaussian.color": Gaussians("(N, 3) or (N, 4)", (3, 4), ("none", "sigmoid")),
    "gaussian.sh": Gaussians(
        "(N, K, 3) or (N, 3 K) with K of 1, 4, 9 or 16",
        tuple(3 * k for k in SH_COUNTS),
        triples=True,
    ),
    "gaussian.packed": Gaussians("(N, 10)", (10,)),
}
"""Besides: gaussian.count, one integer; state, anything."""

ACTIVATIONS = ("none", "exp", "sigmoid", "normalize")

_FOREIGN_INPUTS = {
    "camera": ("camera.view", True),
    "proj": ("camera.projection", True),
    "time": ("time", False),
    "image": ("image", False),
}
_FOREIGN_COLOR = re.compile(r"color|rgb|sh", re.IGNORECASE)


def known(shape: tuple[int | str, ...]) -> Shape | None:
    """A shape whose sizes are all given and in range."""
    sizes = tuple(size for size in shape if isinstance(size, int))
    if len(sizes) < len(shape) or not all(size >= 0 for size in sizes):
        return None
    return sizes


def foreign_input(port: Port) -> tuple[str, bool, str] | None:
    """Role of an input by its name alone, whether it is transposed, and the reason."""
    role, transposed = _FOREIGN_INPUTS.get(port.name.lower(), ("", False))
    shape = known(port.shape)
    if not role or shape is None or not INPUTS[role].fits(shape):
        return None
    return role, transposed, f"its name is {port.name!r}"


def foreign_outputs(ports: Sequence[Port]) -> dict[str, tuple[str, str]]:
    """Roles of outputs by name as other tools give them, each with the reason.

    ``gauss*`` with ten columns, ``num_points``, ``*color*``, ``*sh*`` or ``*rgb*``; where no name
    tells the colour, the one other output that has its shape.
    """
    packed = next((p for p in ports if p.name.lower().startswith("gauss") and _wide(p, 10)), None)
    if packed is None:
        return {}
    roles = {packed.name: ("gaussian.packed", "its name begins with 'gauss'; it has 10 columns")}
    for port in ports:
        if port.name.lower() == "num_points":
            roles.setdefault(port.name, ("gaussian.count", "its name is 'num_points'"))
    rows = OUTPUTS["gaussian.packed"].rows(known(packed.shape) or ())
    others = [port for port in ports if port.name not in roles]
    named = [port for port in others if _FOREIGN_COLOR.search(port.name)]
    for port in named or others:
        role = _color(port, rows)
        if role:
            why = "its name tells a colour" if named else "no name tells a colour; its shape does"
            roles[port.name] = role, why
            break
    return roles


def _wide(port: Port, width: int) -> bool:
    shape = known(port.shape)
    return shape is not None and len(shape) > 1 and shape[-1] == width


def _color(port: Port, rows: Sequence[int]) -> str | None:
    """Colour or SH, if an output with so many rows can be one."""
    shape = known(port.shape)
    if shape is None or len(shape) < 2:
        return None
    for role in ("gaussian.color", "gaussian.sh"):
        if set(rows) & set(OUTPUTS[role].rows(shape)):
            return role
    return None
