"""A model's outputs in the form that the project pass reads, as maps that fuse into its kernels.

Whatever a model calls its Gaussians becomes ``packed`` (N,10: position, opacity, covariance) and
``color`` (N,3) or ``sh`` (N,K,3): activations, dequantisation and the covariance of scale and
rotation are elementwise work behind the model's last layers, and cost no kernel of their own where
those are stored anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pybuild.onnx.expr import Expr, binary, cast, const, maximum, minimum, select, unary
from pybuild.onnx.ir import Tensor, map_tensor, reshape
from pybuild.onnx.ops.activations import sigmoid
from pybuild.onnx.ops.joining import concatenated
from pyengine.contract import Contract, Product

__all__ = ["PACKED_WIDTH", "Canonical", "canonical", "image_words"]

PACKED_WIDTH = 10
SMALLEST_NORM = 1e-12


@dataclass(frozen=True, slots=True)
class Canonical:
    """Gaussians as the project pass reads them.

    Attributes
    ----------
    packed : (N, 10) tensor
        Position, opacity, covariance xx xy xz yy yz zz.
    color : (N, 3) or (N, K, 3) tensor
        Display-referred, or SH.
    spread : (N,) tensor
        Sum of a Gaussian's variances, world units².
    count : (1,) i32 tensor, optional
    states : mapping
        Output's name to tensor.
    """

    packed: Tensor
    color: Tensor
    spread: Tensor
    count: Tensor | None
    states: Mapping[str, Tensor]


def canonical(contract: Contract, outputs: Mapping[str, Tensor]) -> Canonical:
    """The tensors of a model's outputs, read as its contract says.

    Parameters
    ----------
    contract : Contract
        Checked: every role that it must have is there, with a shape that fits.
    outputs : mapping
        Tensor of each output by its name.
    """
    n = contract.capacity

    def found(role: str, *shape: int) -> Tensor | None:
        product = contract.output(role)
        if product is None:
            return None
        return _activated(product, reshape(role, outputs[product.name], shape))

    def needed(role: str, *shape: int) -> Tensor:
        tensor = found(role, *shape)
        if tensor is None:
            raise ValueError(f"no output has the role {role}")
        return tensor

    packed = found("gaussian.packed", n, PACKED_WIDTH)
    scale = None
    if packed is None:
        position = needed("gaussian.position", n, 3)
        opacity = needed("gaussian.opacity", n, 1)
        covariance = found("gaussian.covariance", n, 6)
        if covariance is None:
            scale = needed("gaussian.scale", n, 3)
            covariance = _covariance(scale, needed("gaussian.rotation", n, 4))
        packed = concatenated("gaussian.packed", [position, opacity, covariance], 1)
    count = contract.output("gaussian.count")
    return Canonical(
        packed,
        _color(contract, outputs),
        _spread(packed, scale),
        None if count is None else _count(outputs[count.name]),
        {
            product.name: outputs[product.name]
            for product in contract.outputs
            if product.role == "state"
        },
    )


def _spread(packed: Tensor, scale: Tensor | None) -> Tensor:
    """The covariance's trace: by the scales where there are some, since rotation is none of it."""

    def body(i: Expr) -> Expr:
        if scale is None:
            return packed[i, 4] + packed[i, 7] + packed[i, 9]
        squares = [scale[i, k] * scale[i, k] for k in range(3)]
        return squares[0] + squares[1] + squares[2]

    return map_tensor("spread", (packed.shape[0],), body)


def _count(tensor: Tensor) -> Tensor:
    whole = reshape("gaussian.count", tensor, (1,))
    return map_tensor("gaussian.count", (1,), lambda i: cast(whole[i], "i32"))


def _color(contract: Contract, outputs: Mapping[str, Tensor]) -> Tensor:
    n, product = contract.capacity, contract.output("gaussian.sh")
    if product is not None:
        tensor = outputs[product.name]
        return _activated(product, reshape("gaussian.sh", tensor, (n, tensor.size // n // 3, 3)))
    product = contract.output("gaussian.color")
    if product is None:
        raise ValueError("no output has the role gaussian.color or gaussian.sh")
    tensor = outputs[product.name]
    columns = reshape("gaussian.color", tensor, (n, tensor.size // n))
    first = map_tensor("gaussian.color", (n, 3), lambda i, c: columns[i, c])
    return _activated(product, first)


def _activated(product: Product, tensor: Tensor) -> Tensor:
    """As float, dequantised, and with the activation that was still to be applied."""

    def body(*index: Expr) -> Expr:
        value = cast(tensor[index], "f32")
        if product.quantization is not None:
            scale, zero = product.quantization
            value = (value - float(zero)) * scale
        applied = _ELEMENTWISE.get(product.activation)
        return value if applied is None else applied(value)

    made = map_tensor(tensor.name, tensor.shape, body)
    if product.activation != "normalize":
        return made

    def unit(*index: Expr) -> Expr:
        length = const(0.0, "f32")
        for k in range(tensor.shape[-1]):
            part = made[(*index[:-1], k)]
            length = length + part * part
        return made[index] / maximum(unary("sqrt", length), const(SMALLEST_NORM, "f32"))

    return map_tensor(tensor.name, tensor.shape, unit)


_ELEMENTWISE: Mapping[str, Callable[[Expr], Expr]] = {
    "exp": lambda x: unary("exp", minimum(x, const(88.0, "f32"))),
    "sigmoid": sigmoid,
}


def _covariance(scale: Tensor, rotation: Tensor) -> Tensor:
    """``R diag(s²) Rᵀ`` of scales and unit quaternions (w, x, y, z), upper triangle row by row."""
    rows = scale.shape[0]

    def column(name: str, a: int, b: int) -> Tensor:
        def body(i: Expr, _: Expr) -> Expr:
            matrix = _rotation(tuple(rotation[i, k] for k in range(4)))
            total = const(0.0, "f32")
            for k in range(3):
                s = scale[i, k]
                total = total + matrix[a][k] * matrix[b][k] * (s * s)
            return total

        return map_tensor(name, (rows, 1), body)

    pairs = [(a, b) for a in range(3) for b in range(a, 3)]
    columns = [column(f"covariance.{'xyz'[a]}{'xyz'[b]}", a, b) for a, b in pairs]
    return concatenated("gaussian.covariance", columns, 1)


def _rotation(quaternion: Sequence[Expr]) -> tuple[tuple[Expr, ...], ...]:
    """The matrix of a unit quaternion."""
    w, x, y, z = quaternion
    return (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)),
        (2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)),
        (2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)),
    )


def image_words(
    words: Tensor,
    shape: Sequence[int],
    layout: str,
    channels: str,
    scale: Sequence[float],
    offset: Sequence[float],
) -> Tensor:
    """The image tensor of a model, read from pixels of four bytes: red lowest.

    Parameters
    ----------
    words : (H, W) u32 tensor
    shape : sequence of int
        The model's, with the axes of ``layout``; a leading one may be missing.
    layout : {'nchw', 'nhwc'}
    channels : {'rgb', 'bgr', 'gray'}
    scale, offset : sequences of float, one a channel
        Of the byte over 255.
    """

    def byte(y: Expr, x: Expr, place: int) -> Expr:
        shifted = _shifted(words[y, x], 8 * place)
        return cast(shifted, "f32") * (1.0 / 255.0)

    def pixel(y: Expr, x: Expr, channel: int) -> Expr:
        if channels == "gray":  # ITU-R BT.709
            return 0.2126 * byte(y, x, 0) + 0.7152 * byte(y, x, 1) + 0.0722 * byte(y, x, 2)
        return byte(y, x, channel if channels == "rgb" else 2 - channel)

    def body(*index: Expr) -> Expr:
        c, y, x = index[-3:] if layout == "nchw" else (index[-1], index[-3], index[-2])
        last = len(scale) - 1
        value = pixel(y, x, last) * scale[last] + offset[last]
        for k in range(last - 1, -1, -1):
            value = select(c.equals(k), pixel(y, x, k) * scale[k] + offset[k], value)
        return value

    return map_tensor(words.name, shape, body)


def _shifted(word: Expr, bits: int) -> Expr:
    moved = binary("shr", word, const(bits, "u32")) if bits else word
    return binary("and", moved, const(255, "u32"))
