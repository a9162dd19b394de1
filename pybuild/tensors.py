"""Arrays to the 32-bit elements that a program's buffers hold, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from pyengine.errors import InputError
from pyengine.program import Tensor

__all__ = ["Array", "described", "dtype_of", "from_storage", "read_npy", "to_storage"]

Array = NDArray[Any]

_STORED = {"f32": np.dtype("<f4"), "i32": np.dtype("<i4"), "u32": np.dtype("<u4")}
_RANGES = {"i32": (-(1 << 31), (1 << 31) - 1), "u32": (0, (1 << 32) - 1)}


def dtype_of(tensor: Tensor) -> np.dtype[Any]:
    """The numpy type of a tensor's dtype."""
    dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, tensor.dtype, tensor.dtype))
    return dtype


def described(tensor: Tensor) -> str:
    """Name, type and shape for a message: ``'x' float32 (1, 3, 8, 8)``."""
    return f"{tensor.name!r} {tensor.dtype} {tensor.shape}"


def to_storage(array: Array, tensor: Tensor) -> bytes:
    """Bytes of the buffer of an input.

    Parameters
    ----------
    array : tensor.shape, tensor.dtype
        bfloat16 may come as float32, or as the bare 2 bytes that a .npy file gives.
    tensor : Tensor

    Returns
    -------
    bytes
        Little-endian elements of ``tensor.storage`` in C order; float64 is rounded to float32.

    Raises
    ------
    InputError
        Another shape or type, or an integer beyond 32 bits.
    """
    array = np.asarray(array)
    wanted = dtype_of(tensor)
    if tensor.dtype == "bfloat16":
        if array.dtype == np.dtype("V2"):
            array = array.view(wanted)
        elif array.dtype == np.float32:
            array = array.astype(wanted)
    if array.dtype.newbyteorder("=") != wanted or array.shape != tensor.shape:
        raise InputError(f"input {described(tensor)}: got {array.dtype} {array.shape}")
    stored = _STORED[tensor.storage]
    if tensor.dtype in ("int64", "uint64") and array.size:
        low, high = _RANGES[tensor.storage]
        if array.min() < low or array.max() > high:
            raise InputError(
                f"input {described(tensor)}: a value is beyond 32 bits ({array.min()} to "
                f"{array.max()}); programs count with {low} to {high}"
            )
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array.astype(stored)).tobytes()


def from_storage(data: bytes | memoryview, tensor: Tensor) -> Array:
    """The array of an output from the bytes of its buffer, which may be longer.

    Returns
    -------
    ndarray : tensor.shape, tensor.dtype
    """
    used = memoryview(data)[: tensor.size_bytes]
    array = np.frombuffer(used, _STORED[tensor.storage]).reshape(tensor.shape)
    with np.errstate(over="ignore"):
        return array.astype(dtype_of(tensor))


def read_npy(path: Path, told: str) -> Array:
    """An array from a .npy file; no pickles.

    Parameters
    ----------
    path : Path
    told : str
        What it is for, such as the option that named it.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise InputError(f"{path}: is no .npy file; numpy.save writes one ({told})")
            file.seek(0)
            array: Array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error} ({told})") from None
    except (ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read as a .npy file: {error} ({told})") from None
    return array
