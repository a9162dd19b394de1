"""Small codebooks by Lloyd's algorithm: 256 scalars, or a palette of vectors.

Source: S. Lloyd, "Least squares quantization in PCM", 1982.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest_vectors", "palette", "quantised_scalars", "scalar_codebook"]

Floats = NDArray[np.float32]

_SAMPLES = 1 << 17
_SCALAR_ROUNDS = 12
_PALETTE_ROUNDS = 4
_BLOCK = 2048


def scalar_codebook(values: Floats, size: int = 256) -> Floats:
    """Ascending representatives of ``values``, (size,) float32.

    Starts from quantiles that keep both ends; few distinct values are represented exactly.
    """
    distinct = np.unique(values)
    if len(distinct) <= size:
        padding = np.full(size - len(distinct), distinct[-1] if len(distinct) else 0)
        return np.concatenate([distinct, padding]).astype(np.float32)
    sample = np.sort(values.ravel()[:: max(1, values.size // _SAMPLES)]).astype(np.float64)
    even = np.linspace(float(distinct[0]), float(distinct[-1]), size)
    book = 0.5 * (np.quantile(sample, np.linspace(0, 1, size)) + even)
    sums = np.concatenate([[0], np.cumsum(sample)])
    for _ in range(_SCALAR_ROUNDS):
        cuts = np.searchsorted(sample, (book[1:] + book[:-1]) / 2)
        cuts = np.concatenate([[0], cuts, [len(sample)]])
        counts = np.diff(cuts)
        book = np.where(counts > 0, np.diff(sums[cuts]) / np.maximum(counts, 1), book)
    return np.sort(book).astype(np.float32)


def quantised_scalars(values: Floats, book: Floats) -> NDArray[np.uint8]:
    """Index of the nearest representative, of the shape of ``values``."""
    middles = (book[1:].astype(np.float64) + book[:-1]) / 2
    return np.searchsorted(middles, values).astype(np.uint8)


def palette(vectors: Floats, size: int) -> tuple[Floats, NDArray[np.intp]]:
    """At most ``size`` representatives of ``vectors`` and the nearest one's index for each.

    Parameters
    ----------
    vectors : (n, d) float32
    size : int

    Returns
    -------
    (min(n, size), d) float32 and (n,) intp
    """
    if len(vectors) <= size:
        return vectors, np.arange(len(vectors))
    chosen = np.random.default_rng(0).choice(len(vectors), size, replace=False)
    book = vectors[np.sort(chosen)].copy()
    for _ in range(_PALETTE_ROUNDS):
        labels = nearest_vectors(vectors, book)
        counts = np.bincount(labels, minlength=size)
        for column in range(vectors.shape[1]):
            sums = np.bincount(labels, weights=vectors[:, column], minlength=size)
            book[:, column] = np.where(counts > 0, sums / np.maximum(counts, 1), book[:, column])
    return book, nearest_vectors(vectors, book)


def nearest_vectors(vectors: Floats, book: Floats) -> NDArray[np.intp]:
    """Index of the nearest row of ``book`` for each of ``vectors``, (n,) intp."""
    half = 0.5 * np.einsum("ij,ij->i", book, book)
    labels = np.empty(len(vectors), np.intp)
    for start in range(0, len(vectors), _BLOCK):
        part = vectors[start : start + _BLOCK]
        labels[start : start + _BLOCK] = (part @ book.T - half).argmax(axis=1)
    return labels
