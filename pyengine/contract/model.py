"""What a network's tensors mean, as data: what the contract's reader gives."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = [
    "Clip",
    "Contract",
    "Control",
    "Feed",
    "FilterContract",
    "ImageFormat",
    "Port",
    "Product",
]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model: its name, its sizes (a str is a symbol) and ONNX's type."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Control:
    """A slider."""

    label: str
    low: float
    high: float
    default: float


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """How an image becomes a tensor: ``(value / 255 * scale[c]) + offset[c]`` of 8-bit sRGB.

    Height and width are 0 where a filter leaves them open. A tensor without an axis of channels is
    nchw.
    """

    layout: str  # nchw | nhwc
    height: int
    width: int
    channels: str  # rgb | bgr | gray; of filters also y | rgba | rgbc
    scale: tuple[float, ...]
    offset: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """An input and what fills it.

    Attributes
    ----------
    role : str
        ``camera.view``, ``time``, ``control`` ...: docs/contract.md lists them; ``state`` is fed by
        the output that ``state`` names.
    transposed : bool
        A matrix that multiplies row vectors from the right, as tools with column-major memory give.
    default : tuple of float, optional
        Elements in C order where nobody sets them: a rest pose, a latent, a slider's start.
        Zeros unless given.
    why : str
        How it was understood: the metadata key or the rule of names, for people.
    """

    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    transposed: bool = False
    default: tuple[float, ...] | None = None
    control: Control | None = None
    image: ImageFormat | None = None
    state: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """An output and what it is.

    Attributes
    ----------
    role : str
        ``gaussian.position`` ...; ``state``; ``unused``.
    activation : str
        Still to be applied: none, exp, sigmoid or normalize.
    quantization : (scale, zero point), optional
        Of an int8 or uint8 output: ``(q - zero point) * scale`` before the activation.
    """

    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    activation: str = "none"
    quantization: tuple[float, int] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """The stretch of time that a generator covers, seconds."""

    duration_s: float
    loop: bool


@dataclass(frozen=True, slots=True)
class Contract:
    """What a model's tensors mean.

    Attributes
    ----------
    capacity : int
        N: the most Gaussians.
    sh_degree : int
        0 where colours are given.
    rate_hz : float or None
        Steps a second of a model with state.
    bounds : two points or None
        Of all centres at all times, world units.
    pose : (eye, target, fov degrees) or None
        Where the camera starts.
    antialiased : bool
        Trained with the mip filter.
    """

    kind: str
    inputs: tuple[Feed, ...]
    outputs: tuple[Product, ...]
    capacity: int
    sh_degree: int
    clip: Clip | None = None
    rate_hz: float | None = None
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None
    pose: tuple[tuple[float, float, float], tuple[float, float, float], float] | None = None
    background: tuple[float, float, float] | None = None
    antialiased: bool = False

    def output(self, role: str) -> Product | None:
        """The output of a role."""
        return next((product for product in self.outputs if product.role == role), None)


@dataclass(frozen=True, slots=True)
class FilterContract:
    """What the tensors of a network mean that changes the rendered image.

    Attributes
    ----------
    inputs : tuple of Feed
        ``Feed.image`` has the formats of the image, of the previous image and of depth (whose
        channels are ``gray``, in world units). One has the role ``image``. Where the model leaves
        height and width open they are 0 in all shapes and formats; an open batch is 1.
    outputs : tuple of Product
        One has the role ``image``; the others are ``state`` or ``unused``.
    image : ImageFormat
        Of the output: ``pixel01 = (value - offset[c]) / scale[c]``. Height and width are 0 where
        they are open.
    rate_hz : float or None
        Steps a second, if the model says.
    ratio : Fraction or None
        Output pixels for each input pixel, along both axes. None where the sizes are open and
        nobody has tried some yet; `pybuild.filters.describe` does.
    """

    inputs: tuple[Feed, ...]
    outputs: tuple[Product, ...]
    image: ImageFormat
    rate_hz: float | None = None
    ratio: Fraction | None = None

    @property
    def source(self) -> Feed:
        """The input that the rendered image fills."""
        return next(feed for feed in self.inputs if feed.role == "image")

    @property
    def product(self) -> Product:
        """The output that is the image."""
        return next(product for product in self.outputs if product.role == "image")

    @property
    def open(self) -> bool:
        """Whether it takes images of any size."""
        return self.image.height == 0
