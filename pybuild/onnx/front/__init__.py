"""A model file to a `Graph` that the compiler can trust: `load_graph`.

::

    load                                    the whole of it
    intake, guard, schema, checks           what a file claims, held against what it is
    inputs, symbols, sizes, order           sizes of inputs; nodes in the order in which they run
    walk, bench, flat                       one pass over the nodes, branches and loops opened
    versions, functions, sequences          steps between opsets, definitions in place of functions
    rules, fold, known, values, tidy        shapes and values that are known; what is left over goes
"""

from __future__ import annotations

from pybuild.onnx.front.load import OPSET, GraphError, NotConstant, load_graph, parse_shape_option

__all__ = ["OPSET", "GraphError", "NotConstant", "load_graph", "parse_shape_option"]
