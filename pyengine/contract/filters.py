"""A filter's metadata, inputs and outputs to a `FilterContract`, or to all that is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyengine.contract.filter_override import Override, read_override
from pyengine.contract.filter_roles import Roles, input_roles, output_roles
from pyengine.contract.filter_sizes import Frame, check_sizes
from pyengine.contract.images import CHANNELS, WANTED, Picture, pictures, read_format, said_layout
from pyengine.contract.inputs import STATE, pair_states, read_control, read_default, read_state
from pyengine.contract.model import Feed, FilterContract, ImageFormat, Port, Product
from pyengine.contract.reading import LEAST_HZ, MOST_HZ, read_kind
from pyengine.contract.roles import FLOATS, INPUTS, INTEGERS, MAX_ELEMENTS, foreign_outputs, known
from pyengine.contract.values import PREFIX, Metadata
from pyengine.errors import ContractError

__all__ = ["is_filter", "read_filter"]

_OF_GENERATORS = ("clip", "bounds", "pose", "background", "antialiased")
_WITH_IMAGES = ("image", "depth", "previous")


def is_filter(metadata: Mapping[str, str], inputs: Sequence[Port], outputs: Sequence[Port]) -> bool:
    """Whether a model says that it is a filter, or without metadata has the tensors of one."""
    entries = {key: text.strip() for key, text in metadata.items() if key.startswith(PREFIX)}
    kind = entries.get(f"{PREFIX}kind")
    if kind is not None:
        return kind == "filter"
    if entries:
        return any(
            key.startswith(f"{PREFIX}output.") and role == "image" for key, role in entries.items()
        )
    if foreign_outputs(outputs):
        return False
    try:
        read_filter({}, inputs, outputs, "model")
    except ContractError:
        return False
    return True


def read_filter(
    metadata: Mapping[str, str],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    where: str,
    override: Mapping[str, str] | None = None,
) -> FilterContract:
    """Understand what the tensors of a network on images mean.

    Parameters
    ----------
    metadata : mapping
        Its ``metadata_props``; keys that do not begin with ``vitrine.`` are left alone.
    inputs, outputs : sequences of Port
        Sizes that are open are symbols; those of the image may be. Without metadata there must be
        one input, an image, and the first output that is one is taken.
    where : str
        The model's file, for messages.
    override : mapping, optional
        What the command line says in place of the metadata: ``range`` ("0..255"), ``channels`` and
        ``layout`` of the images that are taken and given, ``mean`` and ``std`` ("0.5/0.5/0.5") of
        the one that is taken, ``input`` and ``output``: names.

    Returns
    -------
    FilterContract
        Inputs and outputs in the model's order; outputs that nothing asks for are ``unused``.

    Raises
    ------
    ContractError
        It lists everything that is wrong.
    """
    taken, made = ([port.name for port in ports] for ports in (inputs, outputs))
    meta = Metadata(metadata, taken, made, image_outputs=True)
    _must_be_filter(meta, outputs, where)
    for key in (entry.removeprefix(PREFIX) for entry in meta.entries):
        if key in _OF_GENERATORS or key.startswith(("activation.", "quantization.")):
            meta.wrong(key, "none: this key is for generators")
    rate = meta.number("rate", LEAST_HZ, MOST_HZ)
    told = read_override(override or {}, inputs, outputs, meta.problems)
    reader = _Tensors(meta, inputs, outputs, told)
    products = tuple(reader.product(port) for port in reader.outputs)
    feeds = tuple(reader.feed(port, products) for port in reader.inputs)
    pair_states(meta, feeds, products)
    reader.check_override()
    ratio = check_sizes(meta.problems, reader.frames)
    if meta.problems or reader.image is None:
        raise ContractError(where, meta.problems)
    return FilterContract(feeds, products, reader.image, rate, ratio)


def _must_be_filter(meta: Metadata, outputs: Sequence[Port], where: str) -> None:
    """Stop at a generator, whose tensors a filter's reader would only misunderstand."""
    kind = read_kind(meta, "")
    scene = f"give it in the place of the scene, as in vitrine build {where}"
    if meta.text("kind") == "generator":
        meta.wrong("kind", f"filter. It is a generator of Gaussians: {scene}")
        raise ContractError(where, meta.problems)
    makes = any(
        key.startswith(f"{PREFIX}output.") and role.strip().startswith("gaussian.")
        for key, role in meta.entries.items()
    )
    if not kind and (makes or (not meta.entries and foreign_outputs(outputs))):
        raise ContractError(
            where, [f"wanted a filter; its outputs are those of a generator of Gaussians: {scene}"]
        )
    if meta.entries and meta.text("kind") is None:
        meta.problems.append(f"{PREFIX}kind is missing; add {PREFIX}kind = filter")


class _Tensors:
    """The tensors of a filter one by one; what is wrong is added to the problems.

    Attributes
    ----------
    frames : dict
        Sizes of what is an image, by role.
    image : ImageFormat or None
        Of the output.
    """

    def __init__(
        self,
        meta: Metadata,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        override: Override,
    ) -> None:
        self.meta, self.override = meta, override
        self.frames: dict[str, Frame] = {}
        self.image: ImageFormat | None = None
        self._given: Product | None = None
        self._seen: list[Picture] = []
        self.input_roles: Roles = input_roles(meta, inputs, override)
        self.output_roles: Roles = output_roles(meta, outputs, override)
        source = next((p for p in inputs if self.input_roles[p.name][0] == "image"), None)
        batch = source.shape[0] if source and len(source.shape) == 4 else None
        self.inputs = [_of_one(port, batch) for port in inputs]
        self.outputs = [_of_one(port, batch) for port in outputs]
        self._symbols = {size for size in (source.shape if source else ()) if size != "?"}

    def product(self, port: Port) -> Product:
        """What an output is."""
        role, why = self.output_roles[port.name]
        shape = tuple(size if isinstance(size, int) else 0 for size in port.shape)
        product = Product(port.name, role, shape, port.dtype, why=why)
        told = f"output {port.name!r} ({role})"
        if role == "image":
            picture = self._picture(port, told, self.override.given)
            if picture is None:
                return product
            product = replace(product, shape=picture.closed(port.shape))
            values = self.override.fitting(self.override.given, picture.channels)
            self.image = read_format(self.meta, port, picture, values)
            self._given = product
        elif self.meta.text(f"image.{port.name}") is not None:
            self.meta.wrong(f"image.{port.name}", f"none: {told} is no image")
        return product

    def feed(self, port: Port, products: Sequence[Product]) -> Feed:
        """What fills an input."""
        role, why = self.input_roles[port.name]
        if role in _WITH_IMAGES:
            return self._image_feed(port, role, why)
        if role and self.meta.text(f"image.{port.name}") is not None:
            self.meta.wrong(f"image.{port.name}", f"none: input {port.name!r} is {role}, no image")
        if role.startswith(STATE):
            return self._state(port, role, why, products)
        shape = known(port.shape)
        feed = Feed(port.name, role, shape or (), port.dtype, why=why)
        told = f"input {port.name!r} ({role})"
        if not role:
            return feed
        if shape is None:
            self.meta.problems.append(f"{told}: {_open(port)}; export it with fixed sizes")
            return feed
        spec = INPUTS[role]
        if not spec.fits(shape) or math.prod(shape) > MAX_ELEMENTS:
            most = f", at most {MAX_ELEMENTS} elements" if spec.fits(shape) else ""
            self.meta.problems.append(f"{told}: wanted {spec.wanted}{most}, got {shape}")
            return feed
        if port.dtype not in spec.types:
            integer = " or an integer" if set(INTEGERS) <= set(spec.types) else ""
            self._wrong_type(told, " or ".join(FLOATS) + integer, port)
        default = read_default(self.meta, port.name, role, shape)
        control = read_control(self.meta, port.name, role, default)
        default = (control.default,) if control is not None else default
        return replace(feed, default=default, control=control)

    def _image_feed(self, port: Port, role: str, why: str) -> Feed:
        """The rendered image, its depth, or the image that was given before."""
        told = f"input {port.name!r} ({role})"
        for kind in ("control", "default"):
            if self.meta.text(f"{kind}.{port.name}") is not None:
                self.meta.wrong(f"{kind}.{port.name}", f"none: {role} is always filled")
        override = {"image": self.override.taken, "previous": self.override.given}.get(role, {})
        feed = Feed(port.name, role, (), port.dtype, why=why)
        if role == "depth" and self.meta.text(f"image.{port.name}") is not None:
            self.meta.wrong(f"image.{port.name}", "none: depth is in world units")
        picture = self._picture(port, told, override)
        if picture is None:
            return feed
        if role == "depth":
            height, width = (n if isinstance(n, int) else 0 for n in picture.size(port.shape))
            image = ImageFormat(picture.layout, height, width, "gray", (1.0,), (0.0,))
            return replace(feed, shape=picture.closed(port.shape), image=image)
        values = self.override.fitting(override, picture.channels)
        like = self.image if role == "previous" else None
        if like is not None and len(like.scale) != picture.channels:
            like = None  # which is told as a difference
        found = read_format(self.meta, port, picture, values, like)
        if role == "previous" and found is not None:
            self._must_be_alike(told, port, found)
        return replace(feed, shape=picture.closed(port.shape), image=found)

    def _picture(self, port: Port, told: str, override: Mapping[str, object]) -> Picture | None:
        """How a tensor is an image; its size is noted under its role."""
        role = told.rpartition("(")[2].rstrip(")")
        counts = (1,) if role == "depth" else (1, 3, 4)
        layout = said_layout(self.meta, port.name, override)
        picture = next(pictures(port.shape, counts, layout), None)
        if picture is None and "layout" in override:  # it may be meant for the other image
            picture = next(pictures(port.shape, counts), None)
        types = FLOATS if role == "depth" else (*FLOATS, "uint8")
        if port.dtype not in types:
            self._wrong_type(told, " or ".join(types), port)
        if picture is None:
            wanted = "(1, 1, H, W) or (1, H, W, 1)" if role == "depth" else WANTED
            ordered = f" in the layout {layout}" if layout else ""
            self.meta.problems.append(f"{told}: wanted {wanted}{ordered}, got {_told(port)}")
            return None
        shape = [size for size in port.shape if isinstance(size, int)]
        if math.prod(shape) > MAX_ELEMENTS:
            self.meta.problems.append(
                f"{told}: wanted at most {MAX_ELEMENTS} elements, got {_told(port)}"
            )
        key = "product" if told.startswith("output") else role
        self.frames.setdefault(key, Frame(told, *picture.size(port.shape)))
        if role == "image":
            self._seen.append(picture)
        return picture

    def check_override(self) -> None:
        """What the command line says of channels and layout is right for an image at least."""
        channels, layout = (self.override.taken.get(key) for key in ("channels", "layout"))
        counts = {picture.channels for picture in self._seen}
        if channels and counts and not any(channels in CHANNELS[count] for count in counts):
            has = " and ".join(map(str, sorted(counts)))
            self.meta.problems.append(
                f"@channels={channels}: wanted channels as the images have, which is {has}"
            )
        if layout and counts and layout not in {picture.layout for picture in self._seen}:
            self.meta.problems.append(
                f"@layout={layout}: wanted {self._seen[0].layout}, as the shapes are"
            )

    def _must_be_alike(self, told: str, port: Port, found: ImageFormat) -> None:
        """The image before is the output's; its size is compared with the others'."""
        if self.image is None or self._given is None:
            return
        formats = [
            (port.dtype, image.channels, image.scale, image.offset)
            for port, image in ((self._given, self.image), (port, found))
        ]
        if formats[0] != formats[1]:
            wanted, got = (
                f"{dtype} {channels}, value = pixel x {list(scale)} + {list(offset)}"
                for dtype, channels, scale, offset in formats
            )
            self.meta.problems.append(
                f"{told}: wanted what the output {self._given.name!r} gives ({wanted}), got {got}"
            )

    def _state(self, port: Port, role: str, why: str, products: Sequence[Product]) -> Feed:
        foreign = [s for s in port.shape if isinstance(s, str) and s not in self._symbols]
        told = f"input {port.name!r} ({role})"
        if foreign:
            self.meta.problems.append(
                f"{told}: {_open(port)}, and it is no size of the image; give it one or fix it"
            )
        shape = tuple(size if isinstance(size, int) else 0 for size in port.shape)
        return read_state(
            self.meta, port, Feed(port.name, role, shape, port.dtype, why=why), products
        )

    def _wrong_type(self, told: str, wanted: str, port: Port) -> None:
        self.meta.problems.append(f"{told}: wanted {wanted}, got {port.dtype}")


def _of_one(port: Port, batch: int | str | None) -> Port:
    """A port with the batch at 1."""
    if not isinstance(batch, str) or batch == "?":
        return port
    return replace(port, shape=tuple(1 if size == batch else size for size in port.shape))


def _open(port: Port) -> str:
    names = [str(size) for size in port.shape if not isinstance(size, int)]
    many = len(names) > 1
    return f"its size{'s' * many} {', '.join(names)} {'are' if many else 'is'} open"


def _told(port: Port) -> str:
    """A shape for people: symbols without quotes."""
    return f"({', '.join(map(str, port.shape))}{',' * (len(port.shape) == 1)})"
