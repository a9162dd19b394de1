"""Rows gathered before they are computed, by the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pybuild.generators.visible import NotRowWise, compacted, gathered
from pybuild.onnx.interpret import run
from pybuild.onnx.ir import (
    Tensor,
    constant,
    input_tensor,
    map_tensor,
    reduce_tensor,
    reshape,
    scan_tensor,
)

ROWS, GROUP = 12, 3
RANDOM = np.random.default_rng(0)
FEATURES = constant("features", RANDOM.standard_normal((ROWS, 5)), "f32")
WEIGHTS = constant("weights", RANDOM.standard_normal((5, 2 * GROUP)), "f32")


def layer() -> Tensor:
    """(ROWS, 2 * GROUP): a contraction of each row."""
    return reduce_tensor(
        "layer",
        (ROWS, 2 * GROUP),
        (5,),
        "sum",
        lambda i, k: FEATURES[i[0], k[0]] * WEIGHTS[k[0], i[1]],
    )


def test_gathered_rows_are_those_rows() -> None:
    """Outputs of several Gaussians a row, through a reshape: the group is found."""
    whole = reshape("out", layer(), (ROWS * GROUP, 2))
    (out,), survivors, group = gathered([whole])
    assert group == GROUP
    rows = np.array([1, 4, 5, 11] + [0] * 8, np.int32)
    got = run([out], {"survivors": rows, "count.survivors": np.array([4], np.uint32)})[0]
    (wanted,) = run([whole], {})
    live = wanted.reshape(ROWS, GROUP, 2)[rows[:4]].reshape(-1, 2)
    np.testing.assert_allclose(got[: 4 * GROUP], live, rtol=1e-6)
    assert survivors.most == ROWS
    (limit, _) = out.limits
    assert limit is not None


def test_what_every_row_shares_stays_whole() -> None:
    shared = reduce_tensor("sum", (2,), (5,), "sum", lambda i, k: WEIGHTS[k[0], i[0]])
    rows = layer()
    whole = map_tensor("out", (ROWS, 2), lambda n, c: rows[n, c] + shared[c])
    (out,), _, group = gathered([whole])
    assert group == 1
    taken = np.array([7] + [0] * 11, np.int32)
    got = run([out], {"survivors": taken, "count.survivors": np.array([1], np.uint32)})[0]
    np.testing.assert_allclose(got[0], run([whole], {})[0][7], rtol=1e-6)


def mixing(rows: Tensor) -> Tensor:
    """A row reads its neighbour."""
    return map_tensor("out", (ROWS, 2), lambda n, c: rows[(n + 1) % ROWS, c])


def running(rows: Tensor) -> Tensor:
    """A running sum over the rows."""
    return scan_tensor("out", (ROWS, 2), 0, "sum", lambda n, c: rows[n, c])


def summed(rows: Tensor) -> Tensor:
    """Every row takes the rows' sum, which is computed of all of them: no harm."""
    total = reduce_tensor("total", (2,), (ROWS,), "sum", lambda i, k: rows[k[0], i[0]])
    return map_tensor("out", (ROWS, 2), lambda n, c: rows[n, c] - total[c])


@pytest.mark.parametrize("made", [mixing, running])
def test_rows_that_hang_on_others_are_refused(made: Any) -> None:
    with pytest.raises(NotRowWise):
        gathered([made(layer())])


def test_sums_over_all_rows_are_kept() -> None:
    whole = summed(layer())
    (out,), _, _ = gathered([whole])
    taken = np.array([3] + [0] * 11, np.int32)
    got = run([out], {"survivors": taken, "count.survivors": np.array([1], np.uint32)})[0]
    np.testing.assert_allclose(got[0], run([whole], {})[0][3], rtol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_compacted(share: float) -> None:
    seen = np.random.default_rng(1).uniform(size=50) < share
    rows, count = run(list(compacted(input_tensor("seen", (50,), "bool"))), {"seen": seen})
    assert count[0] == seen.sum()
    np.testing.assert_array_equal(rows[: count[0]], np.flatnonzero(seen))
