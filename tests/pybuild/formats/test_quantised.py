"""Codes that formats share: bytes of opacity, smallest three, Morton order, codebooks."""

from __future__ import annotations

import numpy as np
import pytest

from pybuild.formats.codebook import nearest_vectors, palette, quantised_scalars, scalar_codebook
from pybuild.formats.morton import morton_order
from pybuild.formats.quantised import (
    bytes_of_logits,
    dc_of_rgb,
    logit_table,
    quaternions_of_three,
    rgb_of_dc,
    sigmoid,
    smallest_three,
)

ROUNDING = 1e-6
EVEN_GAIN = {"normal": 0.78, "uniform": 1.0, "exponential": 0.59}
"""RMS error against even steps over the same range; the starting quantiles alone give 0.84, 1.004
and 0.60."""
LLOYD_GAIN = 0.75
"""A means' squared error against that of members chosen at random: 1/2 for large clusters."""


def test_every_opacity_byte_comes_back() -> None:
    table = logit_table()
    assert table[0] == -np.inf
    assert table[255] == np.inf
    np.testing.assert_array_equal(bytes_of_logits(table), np.arange(256))
    np.testing.assert_allclose(sigmoid(table), np.arange(256) / 255, atol=ROUNDING)


def test_colour_and_dc_are_inverse() -> None:
    rgb = np.linspace(-1, 2, 31, dtype=np.float32)
    np.testing.assert_allclose(rgb_of_dc(dc_of_rgb(rgb)), rgb, atol=ROUNDING)
    assert dc_of_rgb(np.float32([0.5]))[0] == 0


def test_smallest_three_keeps_the_rotation() -> None:
    q = np.random.default_rng(0).normal(size=(500, 4))
    q = np.concatenate([q, np.eye(4), -np.eye(4), np.ones((1, 4))])
    q = (q / np.linalg.norm(q, axis=1, keepdims=True)).astype(np.float32)
    largest, three = smallest_three(q)
    assert set(largest) == {0, 1, 2, 3}
    assert np.abs(three).max() <= 0.5**0.5 + ROUNDING
    back = quaternions_of_three(largest, three)
    sign = np.where(np.einsum("ij,ij->i", back, q) < 0, -1, 1)[:, None]
    np.testing.assert_allclose(back * sign, q, atol=1e-4)
    assert smallest_three(q[:0])[1].shape == (0, 3)


def test_three_that_are_too_long_leave_nothing() -> None:
    back = quaternions_of_three(np.array([2]), np.full((1, 3), 0.7, np.float32))
    np.testing.assert_array_equal(back, np.float32([[0.7, 0.7, 0, 0.7]]))


def test_morton_order_of_a_cube_of_cells() -> None:
    """Corners in the order x, y, z bits: the code interleaves x lowest."""
    corners = np.array([[x, y, z] for z in (0, 9) for y in (0, 9) for x in (0, 9)], np.float32)
    shuffle = np.random.default_rng(1).permutation(8)
    np.testing.assert_array_equal(shuffle[morton_order(corners[shuffle])], np.arange(8))
    line = np.arange(1000, dtype=np.float32)[::-1, None] * np.float32([[1, 0, 0]])
    np.testing.assert_array_equal(morton_order(line), np.arange(1000)[::-1])
    assert len(morton_order(line[:0])) == 0


def test_few_values_are_exact_in_a_codebook() -> None:
    values = np.float32([[3, -1], [7, 3]])
    book = scalar_codebook(values)
    assert book.shape == (256,)
    np.testing.assert_array_equal(book[quantised_scalars(values, book)], values)
    assert scalar_codebook(values[:0]).shape == (256,)


@pytest.mark.parametrize("draw", ["normal", "uniform", "exponential"])
def test_a_codebook_beats_even_steps(draw: str) -> None:
    values = getattr(np.random.default_rng(2), draw)(size=20000).astype(np.float32)
    book = scalar_codebook(values)
    assert np.all(np.diff(book) >= 0)
    error = np.abs(book[quantised_scalars(values, book)] - values)
    nearest = np.abs(book[None] - values[:200, None]).min(axis=1)
    np.testing.assert_allclose(error[:200], nearest, atol=ROUNDING)
    even = (values.max() - values.min()) / 255 / 12**0.5
    assert np.sqrt((error**2).mean()) < EVEN_GAIN[draw] * even


def test_a_palette_finds_separated_clusters() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(4, 6)).astype(np.float32) * 100
    vectors = centres[np.arange(800) % 4] + rng.normal(size=(800, 6)).astype(np.float32) * 0.01
    book, labels = palette(vectors, 64)
    assert book.shape == (64, 6)
    assert np.abs(book[labels] - vectors).max() < 0.2
    chosen = vectors[np.random.default_rng(4).choice(800, 64, replace=False)]
    unrefined = vectors - chosen[nearest_vectors(vectors, chosen)]
    assert ((book[labels] - vectors) ** 2).sum() < LLOYD_GAIN * (unrefined**2).sum()
    few, own = palette(vectors[:10], 64)
    np.testing.assert_array_equal(few[own], vectors[:10])
