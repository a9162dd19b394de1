"""DFT, STFT, windows and the mel matrix against numpy and ONNX's reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx.ops.fourier import STAGED


def random(*shape: int) -> np.ndarray:
    """Reproducible values about 0."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def complex_of(pairs: np.ndarray) -> np.ndarray:
    """Complex numbers from pairs in the last axis, or from real values."""
    return pairs[..., 0] + 1j * (pairs[..., 1] if pairs.shape[-1] == 2 else 0)


def assert_near(got: np.ndarray, wanted: np.ndarray) -> None:
    """As f32 sums allow, by the size of the whole spectrum."""
    value = got[..., 0] if got.shape[-1] == 1 else complex_of(got)
    assert value.shape == wanted.shape
    np.testing.assert_allclose(value, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("points", [1, 2, 7, 12, STAGED, STAGED + 2, 1027])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("inverse", [False, True])
def test_transform(
    lowered: Callable[..., list[np.ndarray]], points: int, parts: int, inverse: bool
) -> None:
    """Short and long, in two stages, and long with prime factors only (1027 = 13 * 79)."""
    x = random(2, points, 3, parts)
    (got,) = lowered("DFT", [x, None, np.array(1)], static=[2], inverse=int(inverse))
    function = np.fft.ifft if inverse else np.fft.fft
    assert_near(got, function(complex_of(x), axis=1))


@pytest.mark.parametrize("points", [1, 6, 7, STAGED, 1025])
def test_onesided(lowered: Callable[..., list[np.ndarray]], points: int) -> None:
    x = random(2, points, 1)
    (got,) = lowered("DFT", [x], onesided=1)
    wanted = np.fft.rfft(x[..., 0], axis=1)
    assert_near(got, wanted)
    half = np.stack([wanted.real, wanted.imag], -1).astype(np.float32)
    length = np.array(points)
    (back,) = lowered("DFT", [half, length], static=[1], onesided=1, inverse=1)
    assert back.shape == (2, points, 1)
    np.testing.assert_allclose(back, x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("length", [5, 9, 12])
def test_dft_length_cuts_or_pads(lowered: Callable[..., list[np.ndarray]], length: int) -> None:
    x = random(3, 9, 1)
    (got,) = lowered("DFT", [x, np.array(length), np.array(-2)], static=[1, 2])
    assert_near(got, np.fft.fft(x[..., 0], n=length, axis=1))


def test_axis_is_an_attribute_before_opset_20(lowered: Callable[..., list[np.ndarray]]) -> None:
    x = random(3, 4, 5, 1)
    (got,) = lowered("DFT", [x], opset=17, axis=2)
    assert_near(got, np.fft.fft(x[..., 0], axis=2))
    (got,) = lowered("DFT", [x], opset=17)
    assert_near(got, np.fft.fft(x[..., 0], axis=1))


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("windowed", [False, True])
def test_stft(lowered: Callable[..., list[np.ndarray]], onesided: int, windowed: bool) -> None:
    signal, length, step = random(2, 50, 1), 16, 5
    window = np.hanning(length).astype(np.float32) if windowed else None
    inputs = [signal, np.array(step), window, np.array(length)]
    (got,) = lowered("STFT", inputs, static=[1, 3], onesided=onesided)
    frames = (50 - length) // step + 1
    cut = np.stack([signal[:, f * step : f * step + length, 0] for f in range(frames)], 1)
    cut = cut if window is None else cut * window
    assert_near(got, np.fft.rfft(cut) if onesided else np.fft.fft(cut))


@pytest.mark.parametrize("op", ["HannWindow", "HammingWindow", "BlackmanWindow"])
@pytest.mark.parametrize("periodic", [0, 1])
@pytest.mark.parametrize("size", [2, 9, 10])
def test_windows(agrees: Callable[..., None], op: str, periodic: int, size: int) -> None:
    inputs = [np.array(size)]
    agrees(op, inputs, static=[0], oracle="onnx", opset=17, periodic=periodic)


@pytest.mark.parametrize("values", [(8, 16, 8192, 0.0, 4096.0), (20, 256, 16000, 125.0, 7500.0)])
def test_mel_weights(
    agrees: Callable[..., None], values: tuple[int, int, int, float, float]
) -> None:
    inputs = [np.array(v, np.int64) for v in values[:3]]
    inputs += [np.array(v, np.float32) for v in values[3:]]
    agrees("MelWeightMatrix", inputs, static=range(5), oracle="onnx", opset=17)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("batch", [(), (3,), (2, 2)])
def test_determinants(
    lowered: Callable[..., list[np.ndarray]], rows: int, batch: tuple[int, ...]
) -> None:
    """Zeros on the diagonal ask for pivots; one matrix is singular."""
    x = random(*batch, rows, rows)
    if rows > 1:
        x[..., 0, 0] = 0
    if rows > 2 and batch:
        x[0, ..., 1, :] = x[0, ..., 2, :]
    (got,) = lowered("Det", [x])
    np.testing.assert_allclose(got, np.linalg.det(x), rtol=1e-3, atol=1e-5)
