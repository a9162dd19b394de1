"""Vitrine as a backend of ONNX: models and nodes run on this machine's GPU.

    VitrineBackend.prepare(model).run([x])

A model is compiled when it is prepared. Where it needs inputs to know its shapes or axes, that
waits for the first run; programs are kept by those shapes and values. Whatever does
not compile raises `BackendIsNotSupposedToImplementIt` with the reason: nothing is computed
anywhere else.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.backend.base import Backend, BackendRep, namedtupledict
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

import pybuild.onnx.ops  # noqa: F401 - fills the registry
from pybuild.onnx.compile import Compiled, compile_graph
from pybuild.onnx.front import NotConstant, load_graph
from pybuild.onnx.lower import LOWERINGS
from pybuild.runner import NativeRunner, PreparedProgram
from pyengine.errors import InputError

__all__ = ["BackendIsNotSupposedToImplementIt", "VitrineBackend", "VitrineRep", "compile_for"]

Array = NDArray[Any]
DEVICES = ("GPU", "CPU")
"""ONNX's suite knows CPU and CUDA: CPU stands for whatever adapter this machine has."""
KEPT = 8
"""Programs of one model that are kept, for as many shapes and values of inputs."""


@cache
def shared_runner() -> NativeRunner:
    """The device of every model in this process."""
    return NativeRunner()


def compile_for(
    model: onnx.ModelProto, inputs: Mapping[str, Array] | None = None
) -> tuple[Compiled, dict[str, Array]]:
    """Compile a model for inputs of given shapes, with those as constants that shapes depend on.

    Parameters
    ----------
    model : ModelProto
    inputs : mapping of str to ndarray, optional
        To take shapes and values from.

    Returns
    -------
    compiled : Compiled
    fixed : dict of str to ndarray
        The inputs that became constants.

    Raises
    ------
    NotConstant
        Values are needed that ``inputs`` does not have.
    GraphError
        The model cannot be compiled.
    """
    given = inputs or {}
    fixed: dict[str, Array] = {}
    shapes = {name: given[name].shape for name in _unsized(model) if name in given}
    while True:
        try:
            graph = load_graph(model, shapes=shapes, specialise=fixed, supported=LOWERINGS.keys())
            return compile_graph(graph), fixed
        except NotConstant as error:
            more = [name for name in error.values if name in given and name not in fixed]
            if not more:
                raise
            fixed.update((name, given[name]) for name in more)


def _unsized(model: onnx.ModelProto) -> list[str]:
    """Inputs with an axis whose size the model leaves open."""
    initialisers = {tensor.name for tensor in model.graph.initializer}
    names = []
    for value in model.graph.input:
        tensor = value.type.tensor_type
        sized = tensor.HasField("shape") and all(d.HasField("dim_value") for d in tensor.shape.dim)
        if not sized and value.name not in initialisers:
            names.append(value.name)
    return names


def _holds_numbers(value: onnx.ValueInfoProto) -> bool:
    kind = value.type.tensor_type.elem_type if value.type.HasField("tensor_type") else 0
    return kind not in (onnx.TensorProto.UNDEFINED, onnx.TensorProto.STRING)


class VitrineRep(BackendRep):
    """A model made ready; see `VitrineBackend.prepare`.

    Attributes
    ----------
    inputs, outputs : tuple of str
        Names in the model's order; initialisers are no inputs.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        fixed = {tensor.name for tensor in model.graph.initializer}
        self.inputs = tuple(v.name for v in model.graph.input if v.name not in fixed)
        self.outputs = tuple(value.name for value in model.graph.output)
        self._model = model
        self._unsized = tuple(_unsized(model))
        self._depends: tuple[str, ...] = ()
        self._programs: OrderedDict[tuple[Any, ...], PreparedProgram] = OrderedDict()
        self._finalizer = weakref.finalize(self, _close, self._programs)
        if self._unsized and all(map(_holds_numbers, model.graph.input)):
            return
        try:
            self._prepare({})
        except NotConstant as error:
            if not error.values:
                raise

    def run(self, inputs: Any, **_: Any) -> tuple[Any, ...]:
        """Outputs for inputs: a sequence in the model's order, a mapping by name, or one array.

        Raises
        ------
        BackendIsNotSupposedToImplementIt
            With these values the model cannot be compiled, or they are beyond 32 bits.
        """
        try:
            feeds = self._feeds(inputs)
            _check_doubles(feeds)
            program = self._programs.get(self._key(feeds))
            if program is None:
                program = self._prepare(feeds)
            left = {t.name for t in program.program.inputs}
            results = program.run({name: a for name, a in feeds.items() if name in left})
        except InputError as error:
            raise BackendIsNotSupposedToImplementIt(str(error)) from error
        return namedtupledict("Outputs", self.outputs)(*(results[name] for name in self.outputs))

    def close(self) -> None:
        """Free what its programs have on the device."""
        self._finalizer()

    def _feeds(self, inputs: Any) -> dict[str, Array]:
        if isinstance(inputs, Mapping):
            return {name: np.asarray(value) for name, value in inputs.items()}
        values = inputs if isinstance(inputs, Sequence) else [inputs]
        if len(values) != len(self.inputs):
            raise InputError(f"{len(values)} inputs: wanted {', '.join(self.inputs) or 'none'}")
        return {n: np.asarray(v) for n, v in zip(self.inputs, values, strict=True)}

    def _key(self, feeds: Mapping[str, Array]) -> tuple[Any, ...]:
        values = [(name, feeds[name]) for name in self._depends if name in feeds]
        shapes = tuple(feeds[name].shape for name in self._unsized if name in feeds)
        return (shapes, *((name, a.shape, a.dtype.str, a.tobytes()) for name, a in values))

    def _prepare(self, feeds: Mapping[str, Array]) -> PreparedProgram:
        compiled, fixed = compile_for(self._model, feeds)
        self._depends = tuple(dict.fromkeys((*self._depends, *fixed)))
        program = shared_runner().prepare(compiled.program, compiled.files, timed=False)
        self._programs[self._key(feeds)] = program
        while len(self._programs) > KEPT:
            self._programs.popitem(last=False)[1].close()
        return program


def _check_doubles(feeds: Mapping[str, Array]) -> None:
    """float64 is computed as float32: refuse numbers that are infinite there."""
    for name, array in feeds.items():
        if array.dtype == np.float64:
            with np.errstate(over="ignore"):
                beyond = np.isinf(array.astype(np.float32)) & np.isfinite(array)
            if beyond.any():
                worst = array.flat[int(beyond.argmax())]
                raise InputError(f"input {name!r}: {worst:g} is beyond float32, which carries it")


def _close(programs: OrderedDict[tuple[Any, ...], PreparedProgram]) -> None:
    while programs:
        programs.popitem()[1].close()


class VitrineBackend(Backend):
    """ONNX's interface to Vitrine; nothing falls back to another runtime."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "GPU", **kwargs: Any) -> bool:
        """Whether the model compiles, as far as that does not depend on values of inputs."""
        try:
            cls.prepare(model, device, **kwargs).close()
        except BackendIsNotSupposedToImplementIt:
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "GPU", **kwargs: Any) -> VitrineRep:
        """Compile a model.

        Raises
        ------
        BackendIsNotSupposedToImplementIt
            It cannot be compiled; the message lists every node at fault and why.
        """
        del kwargs
        if not cls.supports_device(device):
            raise BackendIsNotSupposedToImplementIt(
                f"device {device!r}: Vitrine's are {', '.join(DEVICES)}"
            )
        try:
            return VitrineRep(model)
        except InputError as error:
            raise BackendIsNotSupposedToImplementIt(str(error)) from error

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Any, device: str = "GPU", **kwargs: Any
    ) -> tuple[Any, ...]:
        """Prepare a model, run it once, free it."""
        prepared = cls.prepare(model, device, **kwargs)
        try:
            return prepared.run(inputs)
        finally:
            prepared.close()

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "GPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run one operator, of the newest opset unless ``opset_version`` says another.

        Parameters
        ----------
        inputs : sequence of ndarray, or mapping
            One for each input that the node names.
        outputs_info : sequence of (dtype, shape), optional
            What inference finds is not asked for.
        """
        del outputs_info
        names = list(dict.fromkeys(name for name in node.input if name))
        if isinstance(inputs, Mapping):
            values = [np.asarray(inputs[name]) for name in names]
        else:
            values = [np.asarray(value) for value in inputs]
        kinds = [helper.np_dtype_to_tensor_dtype(value.dtype) for value in values]
        infos = [
            helper.make_tensor_value_info(name, kind, value.shape)
            for name, kind, value in zip(names, kinds, values, strict=True)
        ]
        results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        opset = helper.make_opsetid(node.domain, kwargs.pop("opset_version", _newest(node)))
        graph = helper.make_graph([node], node.op_type, infos, results)
        model = helper.make_model(graph, opset_imports=[opset])
        return cls.run_model(model, values, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether a device may be named: they are all this machine's adapter."""
        return device.split(":")[0] in DEVICES


def _newest(node: onnx.NodeProto) -> int:
    return onnx.defs.onnx_opset_version() if not node.domain else 1
