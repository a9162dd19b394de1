"""docs/operators.md, made from the registry: what is compiled, since when, of which types, how far.

    python -m pybuild.onnx.operators_doc

The counts are those of ONNX's own node tests, less the ones that the list of exclusions names.
"""

from __future__ import annotations

import tomllib
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from onnx import defs

import pybuild.onnx.ops  # noqa: F401 - fills the registry
from pybuild.onnx.front import OPSET
from pybuild.onnx.lower import LOWERINGS, Lowering, Unsupported, ir_type

__all__ = ["DOCUMENT", "EXCLUDED", "document", "main", "node_tests"]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "operators.md"
EXCLUDED = ROOT / "tests" / "pybuild" / "onnx" / "excluded.toml"
SUITE = "node"

Operator = tuple[str, str]
"""Domain ('' is ONNX's own) and name."""

TYPES = {
    "floats": ("float32", "float16", "bfloat16", "float64"),
    "ints": ("int64", "int32", "int16", "int8"),
    "uints": ("uint64", "uint32", "uint16", "uint8"),
    "bool": ("bool",),
    "small ints": ("int4", "uint4", "int2", "uint2"),
}
"""Words for types that mostly come together; others have a word for all of them."""
SMALL_FLOATS = "small floats"
NUMPY_NAMES = {
    "float": "float32",
    "double": "float64",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
    "float8e8m0": "float8_e8m0fnu",
    "float4e2m1": "float4_e2m1fn",
}
"""Of types that ONNX's schemas write otherwise."""

REFUSED = {
    "Numbers that are random": (
        *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform"),
        "RandomUniformLike",
    ),
    "Loops whose turns are counted at run time": ("Loop", "Scan", "SequenceMap"),
    "Optionals that are made in the graph": ("Optional",),
    "Text": (
        "RegexFullMatch",
        "StringConcat",
        "StringNormalizer",
        "StringSplit",
        "TfIdfVectorizer",
    ),
    "Files": ("ImageDecoder",),
}
"""Operators of ONNX that Vitrine does not compile, by what they are."""
RESOLVED = {
    "If": "becomes the branch that a condition known at build takes",
    "OptionalGetElement": "of a tensor is the tensor",
    "OptionalHasElement": "of a tensor is true",
    **dict.fromkeys(
        ("SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceErase"),
        "a list that the build keeps, with positions known at build; none goes into or out of the"
        " graph",
    ),
    "SequenceAt": "the tensor at a position known at build",
    "SequenceLength": "a number",
    "SplitToSequence": "slices, of sizes known at build",
    "ConcatFromSequence": "Concat",
    "What ONNX, or the model, defines in terms of others and has no lowering": "its definition",
    "What depends on constants alone": "its value, unless it is large",
}
"""What is gone before the compiler sees the graph."""

INTRODUCTION = """\
# Operators

Made by `python -m pybuild.onnx.operators_doc` from the registry of lowerings, as a test asserts.

Vitrine reads ONNX up to opset {opset} and compiles {operators} operators. Of the {all:,} node tests
of the onnx package {good:,} pass; of the {plain:,} without `_expanded` in their name
{good_plain:,}. The reason for each of the others is in `tests/pybuild/onnx/excluded.toml`.

- **Opsets** are those whose meaning of the operator is known.
- **Types**: floats are float32, float16, bfloat16 and float64; ints and uints have 8 to 64 bits,
  small ints 4 or 2, small floats 8 or less. How each is carried is told in
  [conventions](conventions.md#numbers-of-networks).
- **Tests**: how many pass of the node tests whose model holds the operator, without `_expanded`.
- **Known at build**: constant, or computed from constants and shapes alone.
"""


def document(tests: Mapping[str, Collection[Operator]], excluded: Collection[str]) -> str:
    """The page.

    Parameters
    ----------
    tests : mapping
        Of each node test the operators of its model; see `node_tests`.
    excluded : collection of str
        Tests that do not pass.
    """
    good = {name: ops for name, ops in tests.items() if name not in excluded}
    total, passed = _counts(tests), _counts(good)
    lines = INTRODUCTION.format(
        opset=OPSET,
        operators=len(LOWERINGS),
        all=len(tests),
        good=len(good),
        plain=sum(map(_is_plain, tests)),
        good_plain=sum(map(_is_plain, good)),
    ).splitlines()
    for domain in sorted({domain for domain, _ in LOWERINGS}):
        lines += ["", f"## {domain or 'ai.onnx'}", ""]
        lines += ["| operator | opsets | types | tests | limits |", "|---|---|---|---:|---|"]
        for key in sorted(k for k in LOWERINGS if k[0] == domain):
            tested = f"{passed[key]} of {total[key]}" if total[key] else ""
            lowering = LOWERINGS[key]
            cells = (key[1], _opsets(lowering), _types(lowering), tested, lowering.limits)
            lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    lines += ["", "## Gone before the compiler", ""]
    lines += [f"- {name}: {what}." for name, what in RESOLVED.items()]
    lines += ["", "## Not compiled", ""]
    lines += [f"- {why}: {', '.join(names)}." for why, names in _refused().items()]
    return "\n".join(lines) + "\n"


def node_tests() -> dict[str, set[Operator]]:
    """Every node test of the onnx package, with the operators of its model. Takes seconds."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference implementation overflows in places
        cases: Iterable[Any] = collect_testcases(None)
    return {
        case.name: {
            ("" if node.domain == "ai.onnx" else node.domain, node.op_type)
            for node in case.model.graph.node
        }
        for case in cases
    }


def excluded_tests(path: Path = EXCLUDED) -> set[str]:
    """Names of the node tests that do not pass."""
    return set(tomllib.loads(path.read_text(encoding="utf-8"))[SUITE])


def main() -> None:
    """Write the page."""
    DOCUMENT.write_text(document(node_tests(), excluded_tests()), encoding="utf-8")


def _counts(tests: Mapping[str, Collection[Operator]]) -> Counter[Operator]:
    return Counter(
        operator for name, operators in tests.items() if _is_plain(name) for operator in operators
    )


def _is_plain(test: str) -> bool:
    """Not a test of an operator's definition."""
    return "_expanded" not in test


def _schemas(domain: str, op: str) -> list[defs.OpSchema]:
    """Every version of an operator, oldest first."""
    found = [s for s in defs.get_all_schemas_with_history() if (s.domain, s.name) == (domain, op)]
    return sorted(found, key=lambda schema: schema.since_version)


def _opsets(lowering: Lowering) -> str:
    versions = _schemas(lowering.domain, lowering.op)
    if not versions:
        return ""
    first = max(lowering.since, versions[0].since_version)
    if versions[-1].deprecated:
        last = versions[-1].since_version - 1
    else:
        last = OPSET if not lowering.domain else _newest(lowering.domain)
    return f"{first} to {last}" if first < last else f"{last}"


def _newest(domain: str) -> int:
    return max(s.since_version for s in defs.get_all_schemas() if s.domain == domain)


def _types(lowering: Lowering) -> str:
    """Words for the types of its inputs (its outputs, where it has none) that can be carried."""
    versions = [s for s in _schemas(lowering.domain, lowering.op) if not s.deprecated]
    if not versions:
        return ""
    schema = versions[-1]
    values = schema.inputs or schema.outputs
    names = {text for value in values for text in value.types if text.startswith("tensor(")}
    dtypes = {NUMPY_NAMES.get(text[7:-1], text[7:-1]) for text in names}
    carried = {dtype for dtype in dtypes if _carried(dtype)}
    words = []
    for word, members in TYPES.items():
        here = carried.intersection(members)
        words += [word] if here == set(members) else [m for m in members if m in here]
        carried -= here
    return ", ".join([*words, *([SMALL_FLOATS] if carried else [])])


def _carried(dtype: str) -> bool:
    try:
        ir_type(dtype)
    except Unsupported:
        return False
    return True


def _refused() -> dict[str, tuple[str, ...]]:
    """`REFUSED`, and whatever a newer ONNX has that nobody has decided on."""
    known = {name for names in REFUSED.values() for name in names} | set(RESOLVED)
    lowered = {op for domain, op in LOWERINGS if not domain}
    names = {s.name for s in defs.get_all_schemas() if not s.domain and not s.deprecated}
    rest = tuple(sorted(names - known - lowered))
    return {**REFUSED, **({"Others": rest} if rest else {})}


if __name__ == "__main__":
    main()
