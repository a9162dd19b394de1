"""Images whose pixels are stored as words: who writes them, and what the words hold.

Run natively, once for every candidate of each dispatch, beside the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.onnx import interpret
from pybuild.onnx.compile import Compiled, compile_tensors
from pybuild.onnx.expr import const, unary
from pybuild.onnx.ir import Tensor, as_pixels, constant, input_tensor, map_tensor, reduce_tensor
from pybuild.onnx.words import PER_WORD, packing_of, word_count
from pybuild.programs import NativeRunner

Array = NDArray[Any]
BAD = 1 << 30
"""A pixel that is no finite number."""


def words_of(image: Array) -> Array:
    """The oracle: (H, W, 3) floats as (H, W) words, ten bits a channel."""
    levels = np.floor(np.clip(np.nan_to_num(image), 0, 1) * 1023 + 0.5).astype(np.uint32)
    words = levels[..., 0] | levels[..., 1] << 10 | levels[..., 2] << 20
    return np.where(np.isfinite(image).all(axis=-1), words, np.uint32(BAD))


def levels_of(words: Array) -> Array:
    """(H, W, 4): red, green, blue, and what is above them."""
    return np.stack([words >> shift & 0x3FF for shift in (0, 10, 20)] + [words >> 30], axis=-1)


def pointwise(x: Tensor) -> Tensor:
    """A map of each channel."""
    height, width, _ = x.shape
    return map_tensor("y", (height, width, 3), lambda i, j, c: x[i, j, c] * 1.5 - 0.2)


def doubled(x: Tensor) -> Tensor:
    """A convolution to twelve channels, which are the four pixels of each, and what follows it."""
    height, width, _ = x.shape
    rng = np.random.default_rng(5)
    w = constant("w", rng.normal(0.2, 0.2, (12, 3, 3, 3)).astype(np.float32), "f32")
    wide = reduce_tensor(
        "wide",
        (12, height - 2, width - 2),
        (3, 3, 3),
        "sum",
        lambda o, r: x[o[1] + r[0], o[2] + r[1], r[2]] * w[o[0], r[2], r[0], r[1]],
    )
    return map_tensor(
        "y",
        (2 * (height - 2), 2 * (width - 2), 3),
        lambda i, j, c: unary("sqrt", wide[4 * c + 2 * (i % 2) + j % 2, i // 2, j // 2]) * 0.7,
    )


def grey(x: Tensor) -> Tensor:
    """One sum for all three channels."""
    height, width, _ = x.shape
    total = reduce_tensor("t", (height, width), (3,), "sum", lambda o, r: x[o[0], o[1], r[0]] * 0.4)
    return map_tensor("y", (height, width, 3), lambda i, j, c: total[i, j] - 0.1)


def still(x: Tensor) -> Tensor:
    """Nothing of the input: not folded to a constant, which would be floats."""
    height, width, _ = x.shape
    return map_tensor("y", (height, width, 3), lambda i, j, c: const(0.25, "f32"))


MAPS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "pointwise": pointwise,
    "doubled": doubled,
    "grey": grey,
    "still": still,
}
SIZES = {"even": (34, 66), "ragged": (29, 37), "small": (5, 4), "a row": (3, 40)}


def compiled(make: Callable[[Tensor], Tensor], size: tuple[int, int], packed: bool) -> Compiled:
    x = input_tensor("x", (*size, 3), "f32")
    made = make(x)
    return compile_tensors("pixels", [x], [as_pixels(made) if packed else made])


def numbers(size: tuple[int, int], spoiled: bool) -> Array:
    """From below 0 to above 1; perhaps some that are none."""
    x = np.random.default_rng(7).uniform(-0.4, 1.4, (*size, 3)).astype(np.float32)
    if spoiled:
        x[1, 2, 0], x[2, 1, 1], x[0, 3, 2] = np.nan, np.inf, -np.inf
    return x


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("make", MAPS.values(), ids=MAPS)
def test_words(
    runner: NativeRunner, make: Callable[[Tensor], Tensor], size: tuple[int, int]
) -> None:
    """By every candidate: the nearest of 1,024 levels, up to one where the GPU rounds otherwise."""
    x = input_tensor("x", (*size, 3), "f32")
    image = make(x)
    program = compile_tensors("pixels", [x], [as_pixels(image)])
    given = numbers(size, spoiled=make is pointwise)
    with np.errstate(all="ignore"):
        (floats,) = interpret.run([image], {"x": given})
        wanted = words_of(floats)
    dispatches = program.program.dispatches
    for choice in range(max(len(d.candidates) for d in dispatches)):
        chosen = {k: min(choice, len(d.candidates) - 1) for k, d in enumerate(dispatches)}
        with runner.prepare(program.program, program.files, chosen, timed=False) as prepared:
            (words,) = prepared.run({"x": given}).values()
        assert words.shape == wanted.shape
        assert words.dtype == np.uint32
        off = np.abs(levels_of(words).astype(int) - levels_of(wanted))
        assert off[..., 3].max() == 0
        assert off.max() <= 1


def test_as_many_kernels() -> None:
    """Packing is part of the kernel that makes the image, and of its buffer a third remains."""
    for make in (pointwise, doubled):
        plain, packed = (compiled(make, SIZES["even"], p) for p in (False, True))
        assert len(packed.kernels) == len(plain.kernels) == 1
        sizes = [p.program.outputs[0].size_bytes for p in (plain, packed)]
        assert sizes[0] == 3 * sizes[1]
    (output,) = packed.program.outputs
    assert (output.shape, output.dtype, output.storage) == ((64, 128), "uint32", "u32")


def test_a_tensor_of_pixels_says_so() -> None:
    x = input_tensor("x", (5, 4, 3), "f32")
    image = as_pixels(pointwise(x))
    assert (packing_of(image), PER_WORD["rgb10"], word_count(image)) == ("rgb10", 3, 20)


def test_what_is_no_image() -> None:
    """Words hold three channels of floats, of a map."""
    x = input_tensor("x", (5, 4, 3), "f32")
    two = map_tensor("two", (5, 4, 2), lambda i, j, c: x[i, j, c])
    whole = map_tensor("whole", (5, 4, 3), lambda i, j, c: i + j)
    total = reduce_tensor("t", (5, 4, 3), (2,), "sum", lambda o, r: x[o[0], o[1], o[2]] * 2.0)
    for tensor in (two, whole, total):
        with pytest.raises(ValueError, match="wanted a map of red, green and blue"):
            as_pixels(tensor)
