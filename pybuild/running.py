"""What ``vitrine run`` does: arrays from .npy files through a program, and what came out."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pybuild.arguments import named
from pybuild.atomic import unwritable, write_bytes
from pybuild.programs import read_program
from pybuild.random_inputs import random_inputs
from pybuild.runner import NativeRunner, stored_inputs
from pybuild.tensors import Array, read_npy
from pybuild.terminal import notice
from pybuild.tuning import ChoiceCache, tuned
from pyengine.errors import InputError
from pyengine.program import Program

__all__ = ["RunOptions", "run_program"]

MAX_NAME = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of ``vitrine run`` as they were given.

    Attributes
    ----------
    inputs, counts : sequences of str
        ``NAME=FILE.npy`` and ``NAME=NUMBER``.
    seed : int, optional
        Of random numbers for the inputs that are not given; without it they must all be.
    tune_s : float
        Seconds for measuring kernels that no file of choices knows; 0 takes the defaults.
    repeat : int
        Runs to take the time of; the first one, which gives the outputs, is not among them.
    """

    inputs: Sequence[str] = ()
    counts: Sequence[str] = ()
    seed: int | None = None
    tune_s: float = 0.0
    repeat: int = 1


def run_program(folder: Path, out: Path | None, options: RunOptions) -> None:
    """Run a program once for its outputs, then for its time, and print a table.

    Raises
    ------
    InputError
        No program, or inputs that are missing, unknown, unreadable or of another shape or type.
    DeviceError
        No adapter, or one that cannot run the program.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; a program is a folder with program.json")
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; -o wants a folder")
    program, files = read_program(folder)
    known = {tensor.name: "" for tensor in program.inputs}
    inputs = {
        name: read_npy(Path(file), f"--input {name}")
        for name, file in named(options.inputs, known, "--input", "FILE.npy")
    }
    counts = _counts(program, options.counts)
    if options.seed is not None:
        inputs = random_inputs(program.inputs, options.seed) | inputs
    try:
        stored_inputs(program, inputs)  # before there is a device: faults are told at once
    except InputError as error:
        hint = "; give NAME=FILE.npy to --input, or fill what is left out with --seed 0"
        raise InputError(f"{error}{hint if ' misses ' in str(error) else ''}") from None
    with NativeRunner() as runner:
        budget_s = options.tune_s if options.tune_s > 0 else 0.0  # nan, too, is none
        cache = ChoiceCache(note=notice) if budget_s else None
        chosen = tuned(runner, program, files, inputs, counts, budget_s, cache)
        with runner.prepare(program, files, chosen) as prepared:
            outputs = prepared.run(inputs, counts)
            ms = prepared.time_ms(options.repeat)
            live = prepared.counts()
        written = {} if out is None else _write(out, outputs)
        print(_table(program, outputs, written, live))
        count = len(program.dispatches)
        steps = f"{count} dispatch{'es' * (count != 1)}"
        print(f"{program.name}: {steps}, {ms:.3g} ms on {runner.name}")


def _counts(program: Program, texts: Sequence[str]) -> dict[str, int]:
    counts = {}
    for symbol, text in named(texts, dict.fromkeys(program.counts, ""), "--count", "NUMBER"):
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InputError(f"--count {symbol!r} wants a number from 0, got {text!r}")
        counts[symbol] = int(text)
    return counts


def _write(out: Path, outputs: Mapping[str, Array]) -> dict[str, str]:
    """Write each output as a .npy file, whole or not at all; gives the files by output."""
    with unwritable(out):
        out.mkdir(parents=True, exist_ok=True)
    names = _file_names(outputs)
    for name, array in outputs.items():
        # numpy's format does not know bfloat16; its values are float32's
        stored = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
        data = io.BytesIO()
        np.save(data, stored, allow_pickle=False)
        write_bytes(out / names[name], data.getbuffer())
    return names


def _file_names(names: Iterable[str]) -> dict[str, str]:
    """A file name of each, safe on every system and different even without regard to case."""
    files: dict[str, str] = {}
    taken = set()
    for name in names:
        stem = _UNSAFE.sub("_", name)[:MAX_NAME].strip(".") or "output"
        number, unique = 1, stem
        while unique.lower() in taken:
            number += 1
            unique = f"{stem}-{number}"
        taken.add(unique.lower())
        files[name] = f"{unique}.npy"
    return files


def _table(
    program: Program,
    outputs: Mapping[str, Array],
    written: Mapping[str, str],
    live: Mapping[str, int],
) -> str:
    rows: list[tuple[str, ...]] = [("output", "type", "shape", "min", "max", "mean", "file")]
    for tensor in program.outputs:
        values = outputs[tensor.name].astype(np.float64)
        told = ["", "", ""]
        if values.size:
            with np.errstate(all="ignore"):
                told = [f"{number:.5g}" for number in (values.min(), values.max(), values.mean())]
        shape = "x".join(map(str, tensor.shape)) or "scalar"
        rows.append((tensor.name, tensor.dtype, shape, *told, written.get(tensor.name, "")))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(map(_aligned, row, widths, range(len(row)))).rstrip() for row in rows]
    lines += [f"count of {symbol!r}: {count}" for symbol, count in live.items()]
    return "\n".join(lines)


def _aligned(text: str, width: int, column: int) -> str:
    return text.rjust(width) if 3 <= column <= 5 else text.ljust(width)
