"""The inputs of a generator: what fills each of them. Controls and states are filters' too."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyengine.contract.model import Control, Feed, ImageFormat, Port, Product
from pyengine.contract.roles import (
    FLOATS,
    INPUTS,
    INTEGERS,
    MAX_ELEMENTS,
    foreign_input,
    image_layouts,
    known,
)
from pyengine.contract.values import PREFIX, Metadata, flat, is_number, nearest

__all__ = ["STATE", "pair_states", "read_control", "read_default", "read_inputs", "read_state"]

STATE = "state:"
"""What the role of an input begins with that an output fills; the output's name follows."""
_CONTROL = '{"label": "Lift", "min": 0, "max": 1, "default": 0.5}, min < max, default between'
_IMAGE = (
    '{"range": [0, 1], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "channels": "rgb"}, '
    "a number of mean and std for each channel, std above 0, channels rgb, bgr or gray"
)
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def read_inputs(
    meta: Metadata, ports: Sequence[Port], products: Sequence[Product]
) -> tuple[Feed, ...]:
    """Understand the inputs; what is wrong is added to ``meta.problems``."""
    feeds = tuple(_feed(meta, port, products) for port in ports)
    pair_states(meta, feeds, products)
    return feeds


def pair_states(meta: Metadata, feeds: Sequence[Feed], products: Sequence[Product]) -> None:
    """Each state goes back into exactly one input; what is not so is added to the problems."""
    states = {product.name: product for product in products if product.role == "state"}
    readers: dict[str, str] = {}
    for feed in feeds:
        if feed.state is None:
            continue
        if feed.state in readers:
            meta.problems.append(
                f"inputs {readers[feed.state]!r} and {feed.name!r} both are the state "
                f"{feed.state!r}; one may be"
            )
        readers.setdefault(feed.state, feed.name)
    for name in states.keys() - readers.keys():
        meta.problems.append(
            f"output {name!r} (state): no input takes it back; add "
            f"{PREFIX}input.NAME = {STATE}{name}"
        )


def _feed(meta: Metadata, port: Port, products: Sequence[Product]) -> Feed:
    name, shape = port.name, known(port.shape)
    if shape is None:
        open_ = ", ".join(str(size) for size in port.shape if known((size,)) is None)
        meta.problems.append(
            f"input {name!r}: its size {open_} is open; export it with fixed sizes"
        )
    elif math.prod(shape) > MAX_ELEMENTS:
        meta.problems.append(f"input {name!r}: wanted at most {MAX_ELEMENTS} elements, got {shape}")
        shape = None
    role, transposed, why = _role(meta, port)
    feed = Feed(name, role, shape or (), port.dtype, transposed, why=why)
    if role.startswith(STATE):
        return read_state(meta, port, feed, products)
    if role not in INPUTS or shape is None:
        return feed
    spec = INPUTS[role]
    if not spec.fits(shape):
        meta.problems.append(f"input {name!r} ({role}): wanted {spec.wanted}, got {shape}")
        return feed
    if port.dtype not in spec.types:
        wanted = " or ".join(spec.types if len(spec.types) < 4 else (*FLOATS, "an integer"))
        meta.problems.append(f"input {name!r} ({role}): wanted {wanted}, got {port.dtype}")
    default = read_default(meta, name, role, shape)
    control = read_control(meta, name, role, default)
    if control is not None:
        default = (control.default,)
    return Feed(
        name,
        role,
        shape,
        port.dtype,
        transposed,
        default,
        control,
        _image(meta, name, role, shape, port.dtype),
        why=why,
    )


def _role(meta: Metadata, port: Port) -> tuple[str, bool, str]:
    """Role, whether it is transposed, and the reason; an empty role where nothing fills it."""
    key = f"input.{port.name}"
    role = meta.text(key)
    if role is not None:
        if role not in INPUTS and not role.startswith(STATE):
            words = (*INPUTS, f"{STATE}OUTPUT")
            meta.wrong(key, f"one of {', '.join(words)}{nearest(role, words)}")
            role = ""
        return role, False, PREFIX + key
    for kind in ("control", "image"):
        if meta.text(f"{kind}.{port.name}") is not None:
            return kind, False, f"{PREFIX}{kind}.{port.name}"
    foreign = foreign_input(port)
    if foreign is not None:
        return foreign
    shape = known(port.shape)
    told = f"input {port.name!r} {port.dtype} {shape or port.shape}"
    meta.problems.append(f"{told}: nothing fills it; add {PREFIX}{key} = {_guess(shape)}")
    return "", False, ""


def _guess(shape: tuple[int, ...] | None) -> str:
    """A role that a shape may be meant for."""
    if shape is not None and INPUTS["control"].fits(shape):
        return "time, or control"
    if shape is not None and INPUTS["joints"].fits(shape):
        return "joints"
    if shape is not None and len(shape) > 2 and INPUTS["image"].fits(shape):
        return "image"
    return "latent, or another role of docs/contract.md"


def read_state(meta: Metadata, port: Port, feed: Feed, products: Sequence[Product]) -> Feed:
    """The feed of an earlier output, which must be alike."""
    key, name = f"input.{port.name}", feed.role.removeprefix(STATE)
    product = next((product for product in products if product.name == name), None)
    states = [product.name for product in products if product.role == "state"]
    if product is None:
        has = ", ".join(map(repr, states)) or "none"
        meta.wrong(key, f"an output with the role state; there is {has}{nearest(name, states)}")
    elif product.role != "state":
        meta.wrong(
            key,
            f"an output with the role state; {name!r} is {product.role}: give the model one more "
            f"output of the same values with {PREFIX}output.NAME = state",
        )
    elif (product.shape, product.dtype) != (feed.shape, feed.dtype):
        meta.problems.append(
            f"input {port.name!r} ({feed.role}): wanted {product.dtype} {product.shape} as the "
            f"output, got {feed.dtype} {feed.shape}"
        )
    elif feed.dtype not in (*FLOATS, *INTEGERS):
        meta.problems.append(
            f"input {port.name!r} ({feed.role}): wanted float32, float16 or an integer, "
            f"got {feed.dtype}"
        )
    if meta.text(f"default.{port.name}") is not None:
        meta.wrong(f"default.{port.name}", "none: a state is zero at the start")
    return Feed(feed.name, "state", feed.shape, feed.dtype, state=name, why=feed.why)


def read_default(
    meta: Metadata, name: str, role: str, shape: tuple[int, ...]
) -> tuple[float, ...] | None:
    """What an input is until somebody sets it: of a role in `INPUTS`, and of fixed sizes."""
    key, count = f"default.{name}", math.prod(shape)
    if meta.text(key) is not None and not INPUTS[role].settable:
        meta.wrong(key, f"none: {role} is always filled")
        return None
    default = meta.numbers(key, count, f"a list of {count} numbers, as {shape} has")
    if default is None and role == "joints" and shape[-2:] == (4, 4):
        return _IDENTITY * (count // len(_IDENTITY))
    return default


def read_control(
    meta: Metadata, name: str, role: str, default: tuple[float, ...] | None
) -> Control | None:
    """The slider of an input whose role is control; no other may have one."""
    key = f"control.{name}"
    if role != "control":
        if meta.text(key) is not None:
            meta.wrong(key, f"none: {PREFIX}input.{name} is {role}, no control")
        return None
    if meta.text(key) is None:
        meta.problems.append(
            f"input {name!r} (control): has no range; add {PREFIX}{key} = "
            '{"label": "Lift", "min": 0, "max": 1, "default": 0.5}'
        )
        return None
    value = meta.object(key, _CONTROL, ("min", "max"), ("label", "default"))
    if value is None:
        return None
    low, high, label = value["min"], value["max"], value.get("label", name)
    start = value.get("default", default[0] if default else low)
    if (
        not isinstance(label, str)
        or len(label) > 100
        or not all(map(is_number, (low, high, start)))
    ):
        meta.wrong(key, _CONTROL)
        return None
    found = Control(label or name, *map(float, (low, high, start)))  # type: ignore[arg-type]
    if not found.low < found.high or not found.low <= found.default <= found.high:
        meta.wrong(key, _CONTROL)
    return found


def _image(
    meta: Metadata, name: str, role: str, shape: tuple[int, ...], dtype: str
) -> ImageFormat | None:
    key = f"image.{name}"
    if role != "image":
        if meta.text(key) is not None:
            meta.wrong(key, f"none: {PREFIX}input.{name} is {role}, no image")
        return None
    layout, count, height, width = next(image_layouts(shape))
    value: dict[str, object] = {}
    if meta.text(key) is not None:
        found = meta.object(key, _IMAGE, (), ("range", "mean", "std", "channels"))
        if found is None:
            return None
        value = found
    channels = value.get("channels", "rgb" if count == 3 else "gray")
    low_high = flat(value.get("range", [0, 255 if dtype == "uint8" else 1]), 2)
    mean = flat(value.get("mean", [0] * count), count)
    std = flat(value.get("std", [1] * count), count)
    fits = channels in (("rgb", "bgr") if count == 3 else ("gray",))
    if not fits or low_high is None or mean is None or std is None or min(std) <= 0:
        meta.wrong(key, f"{_IMAGE}; {name!r} has {count}")
        return None
    low, high = low_high
    return ImageFormat(
        layout,
        height,
        width,
        str(channels),
        tuple((high - low) / s for s in std),
        tuple((low - m) / s for m, s in zip(mean, std, strict=True)),
    )
