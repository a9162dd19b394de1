"""Ensembles of decision trees: all trees descend level by level, by look-ups, in one expression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import FALSE, Expr, call, cast, const, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Combine, Tensor, constant, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.ml import transformed

_LEQ, _LT, _GTE, _GT, _EQ, _NEQ, _MEMBER = range(7)
_AGGREGATES: tuple[Combine, ...] = ("sum", "sum", "min", "max")
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


class Forest:
    """Tables of a TreeEnsemble; its leaves are numbered after its interior nodes and stay put."""

    def __init__(self, node: Node) -> None:
        given = node.attributes
        self.name = node.name
        self.modes = np.asarray(given["nodes_modes"]).astype(np.int32)
        self.inner = len(self.modes)
        self.leaves = len(given["leaf_targetids"])
        stay = np.arange(self.inner, self.inner + self.leaves)
        self.feature = self._table("feature", given["nodes_featureids"], np.zeros(self.leaves))
        self.split = self._table("split", given["nodes_splits"], np.zeros(self.leaves), "f32")
        self.mode = self._table("mode", self.modes, np.zeros(self.leaves))
        self.branches = [
            np.asarray(given[f"nodes_{side}nodeids"])
            + self.inner * np.asarray(given[f"nodes_{side}leafs"])
            for side in ("false", "true")
        ]
        self.sides = [
            self._table(side, ids, stay)
            for side, ids in zip(("false", "true"), self.branches, strict=True)
        ]
        missing = np.asarray(given.get("nodes_missing_value_tracks_true", [0] * self.inner))
        self.follows_nan = bool(missing.any())
        self.missing = self._table("missing", missing, np.zeros(self.leaves), "bool")
        members = _sets(given.get("membership_values", np.zeros(0)), self.modes == _MEMBER)
        self.members = self._table("members", members, np.full((self.leaves, 1), np.nan), "f32")

    def _table(self, label: str, inner: Any, leaves: NDArray[Any], kind: Any = "i32") -> Tensor:
        """A value for each interior node, then one for each leaf."""
        rows = np.asarray(inner)
        if rows.ndim == 2:
            leaves = np.broadcast_to(leaves, (len(leaves), rows.shape[1]))
        return constant(f"{self.name}.{label}", np.concatenate([rows, leaves]), kind)

    def depth(self, roots: Sequence[int]) -> int:
        """Steps from the roots until all are leaves."""
        level, steps = {int(root) for root in roots}, 0
        while inner := [place for place in level if place < self.inner]:
            if steps > self.inner:
                raise Unsupported("its trees have a cycle")
            level = {int(side[place]) for place in inner for side in self.branches}
            steps += 1
        return steps

    def step(self, x: Tensor, row: Expr, place: Expr) -> Expr:
        """The node below: of a leaf itself."""
        value = cast(x[row, self.feature[place]], "f32")
        found = self._holds(value, place)
        if self.follows_nan:
            found = found | (call("is_nan", value, type_="bool") & self.missing[place])
        return select(found, self.sides[1][place], self.sides[0][place])

    def _holds(self, value: Expr, place: Expr) -> Expr:
        """Whether a node's comparison holds; a node has one of the modes that there are."""
        result = FALSE
        for number, mode in enumerate(sorted(set(self.modes.tolist()))):
            holds = self._compare(mode, value, place)
            if number == 0:
                result = holds
            else:
                result = select(self.mode[place].equals(mode), holds, result)
        return result

    def _compare(self, mode: int, value: Expr, place: Expr) -> Expr:
        split = self.split[place]
        if mode == _MEMBER:
            found = FALSE
            for column in range(self.members.shape[1]):
                found = found | value.equals(self.members[place, column])
            return found
        comparisons = {
            _LEQ: value <= split,
            _LT: value < split,
            _GTE: value >= split,
            _GT: value > split,
            _EQ: value.equals(split),
            _NEQ: ~value.equals(split),
        }
        return comparisons[mode]


def _sets(values: Any, asks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The members that each node tests, nan where there are no more; nan ends a set."""
    sets: list[list[float]] = [[]]
    for value in np.asarray(values, np.float32).tolist():
        if math.isnan(value):
            sets.append([])
        else:
            sets[-1].append(value)
    table = np.full((len(asks), max(1, *map(len, sets))), np.nan, np.float32)
    for row, members in zip(np.flatnonzero(asks), sets, strict=False):
        table[row, : len(members)] = members
    return table


@lowers(
    "TreeEnsemble", since=5, limits="no post_transform SOFTMAX_ZERO or PROBIT", domain="ai.onnx.ml"
)
def _tree_ensemble(context: Context, node: Node) -> Tensor:
    """TreeEnsemble: the weights of the leaves that a row reaches, combined by target."""
    x, name, given = context.tensor(node, 0), node.outputs[0], node.attributes
    forest = Forest(node)
    roots = constant(f"{node.name}.roots", np.asarray(given["tree_roots"]), "i32")
    steps = forest.depth(given["tree_roots"])
    rows, trees = x.shape[0], roots.shape[0]

    def descend(row: Expr, tree: Expr) -> Expr:
        place = roots[tree]
        for _ in range(steps):
            place = forest.step(x, row, place)
        return place - forest.inner

    leaf = map_tensor(f"{name}.leaf", (rows, trees), descend)
    target = constant(f"{node.name}.target", np.asarray(given["leaf_targetids"]), "i32")
    weight = constant(f"{node.name}.weight", np.asarray(given["leaf_weights"]), "f32")
    aggregate = int(given.get("aggregate_function", 1))
    combine = _AGGREGATES[aggregate]
    nothing = const({"sum": 0.0, "min": math.inf, "max": -math.inf}[combine], "f32")

    def share(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        reached = leaf[o[0], r[0]]
        return select(target[reached].equals(o[1]), weight[reached], nothing)

    shape = (rows, int(given["n_targets"]))
    total = reduce_tensor(f"{name}.total", shape, (trees,), combine, share)

    def finish(*index: Expr) -> Expr:
        value = total[index]
        if combine != "sum":  # a target that no tree has reached
            return select(unary("abs", value) < 3e38, value, 0.0)
        return value / float(trees) if aggregate == 0 else value

    scores = map_tensor(f"{name}.scores", shape, finish)
    return transformed(name, scores, _TRANSFORMS[int(given.get("post_transform", 0))])
