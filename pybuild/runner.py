"""Programs on this machine's adapter: arrays in, arrays out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from pybuild.tensors import Array, described, from_storage, to_storage
from pyengine.errors import BundleError, InputError
from pyengine.hosts.native import NativeDevice, NativeHost, open_adapter
from pyengine.hosts.null import NullHost
from pyengine.plan import DEFAULT_LIMITS, Adapter, Plan
from pyengine.program import Program, program_part, required_limits

__all__ = ["SCHEDULE", "NativeRunner", "PreparedProgram", "shader_texts", "stored_inputs"]

SCHEDULE = "program"
_RAISED = ("maxBufferSize", "maxStorageBufferBindingSize")

Files = Mapping[str, bytes]


def shader_texts(program: Program, files: Files) -> dict[str, str]:
    """Text of each shader by its name.

    Raises
    ------
    BundleError
        A file is missing or no UTF-8.
    """
    texts = {}
    for name, file in program.shaders.items():
        try:
            texts[name] = files[file].decode()
        except KeyError:
            raise BundleError(f"program {program.name!r}: {file} is missing") from None
        except UnicodeDecodeError as error:
            raise BundleError(f"program {program.name!r}: {file}: no UTF-8 ({error})") from None
    return texts


class NativeRunner:
    """One device for any number of programs, one after the other or at once.

    Parameters
    ----------
    adapter : wgpu adapter, optional
        The system's fastest unless given.
    described : Adapter, optional
        What the choice of kernels depends on, if not the truth about ``adapter``.

    Attributes
    ----------
    adapter : Adapter
    name : str
        The adapter's, to remember things by.

    Raises
    ------
    DeviceError
        There is no adapter.
    """

    def __init__(self, adapter: Any = None, described: Adapter | None = None) -> None:
        adapter = adapter or open_adapter()
        truth = NativeHost.describe(adapter)
        self.adapter = described or truth
        self.limits = {**DEFAULT_LIMITS, **{name: truth.limits[name] for name in _RAISED}}
        raised = {name: self.limits[name] for name in _RAISED}
        self.device = NativeDevice(adapter, raised, timed=True)
        self.name = self.device.name

    def prepare(
        self,
        program: Program,
        files: Files,
        chosen: Mapping[int, int] | None = None,
        timed: bool = True,
    ) -> PreparedProgram:
        """Compile a program and upload its weights, to run it several times.

        Parameters
        ----------
        program : Program
        files : mapping
            Content of the folder by file name, `pybuild.programs.read_program`'s.
        chosen : mapping, optional
            Index of a dispatch to index of its candidate.
        timed : bool
            Time runs by the adapter's clock, where it has one.

        Raises
        ------
        DeviceError
            A shader does not compile (its name, and what the compiler says), or the adapter lacks
            what the program needs.
        PlanError
            The program breaks a rule of WebGPU.
        InputError
            It reads textures, which only a scene can draw.
        """
        _check_textures(program)
        part = program_part(program, shader_texts(program, files), self.adapter, chosen=chosen)
        plan = Plan.of({SCHEDULE: (part,)})
        required_limits(plan, self.adapter, f"program {program.name!r}")
        NullHost(self.limits).build(plan)
        host = NativeHost(1, 1, timed=timed, shared=self.device)
        prepared = PreparedProgram(program, host)
        try:
            host.build(plan, files.__getitem__)
        except BaseException:
            prepared.close()
            raise
        return prepared

    def run(
        self,
        program: Program,
        files: Files,
        inputs: Mapping[str, Array],
        counts: Mapping[str, int] | None = None,
    ) -> dict[str, Array]:
        """Run a program once; what it took is freed. See `prepare` and `PreparedProgram.run`."""
        with self.prepare(program, files, timed=False) as prepared:
            return prepared.run(inputs, counts)

    def close(self) -> None:
        """Free the device."""
        self.device.close()

    def __enter__(self) -> NativeRunner:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class PreparedProgram:
    """A program that is compiled and uploaded; state in its buffers stays from run to run."""

    def __init__(self, program: Program, host: NativeHost) -> None:
        self.program = program
        self.host = host

    def run(
        self, inputs: Mapping[str, Array], counts: Mapping[str, int] | None = None
    ) -> dict[str, Array]:
        """Run it.

        Parameters
        ----------
        inputs : mapping
            An array of each input's shape and dtype by its name.
        counts : mapping, optional
            Live counts by symbol; those that are not given stay as they are.

        Returns
        -------
        dict
            An array of each output by its name.

        Raises
        ------
        InputError
            An input is missing, unknown, or of another shape or type; a count out of range.
        DeviceError
            The device was lost.
        """
        self._upload(stored_inputs(self.program, inputs), counts)
        self.host.run(SCHEDULE)
        return {
            tensor.name: from_storage(self.host.read(tensor.buffer), tensor)
            for tensor in self.program.outputs
        }

    def warm_up(self, inputs: Mapping[str, Array], counts: Mapping[str, int] | None = None) -> None:
        """Run it with some of its inputs, the others zero; nothing is read back."""
        self._upload(stored_inputs(self.program, inputs, some=True), counts)
        self.host.run(SCHEDULE)

    def _upload(self, stored: list[tuple[str, bytes]], counts: Mapping[str, int] | None) -> None:
        for symbol, count in (counts or {}).items():
            if symbol not in self.program.counts or not 0 <= count < 1 << 32:
                known = ", ".join(map(repr, self.program.counts)) or "none"
                raise InputError(f"count {symbol!r}={count}: the program's counts are {known}")
            self.host.write(self.program.counts[symbol], np.uint32(count).tobytes())
        for buffer, data in stored:
            if data:
                self.host.write(buffer, data)

    def counts(self) -> dict[str, int]:
        """Live counts by symbol, as the last run left them."""
        return {
            symbol: int(np.frombuffer(self.host.read(buffer), "<u4")[0])
            for symbol, buffer in self.program.counts.items()
        }

    def time_ms(self, runs: int = 10) -> float:
        """Median milliseconds of a run of the kernels: the adapter's clock, else this machine's."""
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            self.host.run(SCHEDULE)
            self.host.wait()
            wall = (time.perf_counter() - start) * 1e3
            times.append(next(iter(self.host.timings_ms().values()), wall))
        return statistics.median(times)

    def close(self) -> None:
        """Free its buffers; the runner stays."""
        self.host.close()

    def __enter__(self) -> PreparedProgram:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def stored_inputs(
    program: Program, inputs: Mapping[str, Array], some: bool = False
) -> list[tuple[str, bytes]]:
    """Buffer and bytes of each input; an input whose buffer has a file may be left out.

    Raises
    ------
    InputError
        An input is missing (unless ``some`` may be), unknown, or of another shape or type; or the
        program reads textures, which no array can be.
    """
    _check_textures(program)
    files = {buffer.name: buffer.file for buffer in program.buffers}
    needed = [] if some else [tensor for tensor in program.inputs if files[tensor.buffer] is None]
    missing = [described(tensor) for tensor in needed if tensor.name not in inputs]
    known = {tensor.name: tensor for tensor in program.inputs}
    unknown = [repr(name) for name in inputs if name not in known]
    if missing or unknown:
        told = [f"misses {', '.join(missing)}"] * bool(missing)
        told += [f"has no {', '.join(unknown)}"] * bool(unknown)
        raise InputError(f"inputs of program {program.name!r}: it {' and '.join(told)}")
    return [(known[name].buffer, to_storage(array, known[name])) for name, array in inputs.items()]


def _check_textures(program: Program) -> None:
    if program.textures:
        names = ", ".join(map(repr, program.textures))
        raise InputError(
            f"program {program.name!r} cannot run by itself: it reads textures ({names}) that are "
            "drawn each frame. It is a filter's; build a page with a scene and --filter."
        )
