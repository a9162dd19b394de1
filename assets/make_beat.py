"""Make what the pond hears in its demo until it is given a microphone: eight seconds of a beat.

::

    python assets/make_beat.py [beat.npy]

A kick, a bass, a plucked tune and a hat are synthesised and looked at through the page's own mel
bands (docs/embedding.md): (240, 32) float16 of 0 to 1, 30 frames a second, which loop.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["BANDS", "FPS", "SECONDS", "beat", "mel_bands"]

BANDS, FPS, SECONDS = 32, 30, 8
RATE = 24_000
WINDOW = 1024
BEATS = 16
LOW_HZ, HIGH_HZ = 60.0, 8_000.0
TUNE = (69, 76, 72, 79, 76, 84, 79, 72, 67, 74, 71, 79, 74, 83, 79, 71)
"""MIDI notes, two a beat; the second half answers the first."""
BASS = (45, 45, 41, 43)

Floats = NDArray[np.float64]


def beat() -> Floats:
    """The sound: (SECONDS * RATE,) of -1 to 1."""
    sound = np.zeros(SECONDS * RATE)
    noise = np.random.default_rng(0).standard_normal(RATE)
    step_s = SECONDS / BEATS
    for index in range(BEATS):
        start_s = index * step_s
        _add(sound, start_s, 0.9, lambda t: _turn(55 * t + 6 * (1 - np.exp(-30 * t))), 9)
        bass = BASS[index * len(BASS) // BEATS]
        _add(sound, start_s, 0.28, lambda t, note=bass: _turn(_hz(note) * t), 3)
        _add(sound, start_s + step_s / 2, 0.12, lambda t: noise[: len(t)], 30)
        for half in (0, 1):
            note = TUNE[(2 * index + half) % len(TUNE)]
            at_s = start_s + half * step_s / 2
            for harmonic in (1, 2, 3):
                pitch = harmonic * _hz(note)
                _add(
                    sound,
                    at_s,
                    0.22 / harmonic**2,
                    lambda t, f=pitch: _turn(f * t),
                    5,
                )
    return np.clip(sound, -1, 1)


def _add(sound: Floats, at_s: float, loud: float, wave, decay: float) -> None:  # type: ignore[no-untyped-def]
    """A note of a second at most; what is beyond the end rings into the start."""
    time = np.arange(RATE) / RATE
    note = loud * wave(time) * np.exp(-decay * time) * np.minimum(1, 400 * time)
    places = (round(at_s * RATE) + np.arange(RATE)) % len(sound)
    sound[places] += note


def _turn(phase: Floats) -> Floats:
    return np.sin(2 * np.pi * phase)


def _hz(note: float) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


def mel_bands(sound: Floats) -> Floats:
    """(frames, BANDS) of 0 to 1, as the page hears it; each frame looks back, round the loop."""
    window = np.hanning(WINDOW + 1)[:-1]
    frames = np.arange(SECONDS * FPS)[:, None] * RATE // FPS
    pieces = sound[(frames - WINDOW + np.arange(WINDOW)) % len(sound)] * window
    power = np.abs(np.fft.rfft(pieces)) ** 2 * 4 / (1.5 * window.sum() ** 2)
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    hz = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    rise = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.clip(np.minimum(rise, fall), 0, None)
    for band in np.flatnonzero(weights.sum(axis=1) == 0):
        weights[band, np.abs(hz - edges[band + 1]).argmin()] = 1
    bands = np.clip(1 + 10 * np.log10(power @ weights.T + 1e-12) / 80, 0, 1)
    return np.asarray(bands)


if __name__ == "__main__":
    default = Path(__file__).with_name("beat.npy")
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    np.save(path, mel_bands(beat()).astype(np.float16))
