"""Programs on the native adapter against numpy; their folders; and the errors of both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pybuild.programs import (
    NativeRunner,
    file_name,
    from_storage,
    read_program,
    to_storage,
    write_program,
)
from pyengine.errors import BundleError, DeviceError, InputError, PlanError
from pyengine.plan import DEFAULT_LIMITS, Adapter
from tests.small_programs import CASES, add, assert_outputs, counted, perceptron, tensor


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_a_program_does_what_numpy_does(runner: NativeRunner, name: str) -> None:
    """From memory."""
    case = CASES[name]()
    assert_outputs(runner.run(case.program, case.files, case.inputs, case.counts), case)


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_a_folder_holds_all_of_a_program(runner: NativeRunner, tmp_path: Path, name: str) -> None:
    """Written, read and run."""
    case = CASES[name]()
    write_program(tmp_path / "program", case.program, case.files)
    program, files = read_program(tmp_path / "program")
    assert program == case.program
    assert files == case.files
    assert [path.name for path in tmp_path.iterdir()] == ["program"]
    assert_outputs(runner.run(program, files, case.inputs, case.counts), case)


@pytest.mark.gpu
def test_a_prepared_program_runs_again(runner: NativeRunner) -> None:
    """With other inputs; it has a time; and several are there at once."""
    case, other = perceptron(), counted()
    with (
        runner.prepare(case.program, case.files) as prepared,
        runner.prepare(other.program, other.files) as second,
    ):
        assert_outputs(prepared.run(case.inputs), case)
        assert_outputs(second.run(other.inputs, other.counts), other)
        zero = prepared.run({"x": np.zeros_like(case.inputs["x"])})
        assert not zero["y"].any()
        assert 0 < prepared.time_ms(3) < 10_000
        assert second.counts() == {"n": 130}
        fewer = second.run(other.inputs, {"n": 7})["y"]
        np.testing.assert_array_equal(fewer, other.outputs["y"])  # what was written stays


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["halves", "subgroups"])
def test_what_few_adapters_have(runner: NativeRunner, name: str) -> None:
    """Used where it is there, and the other kernel gives the same."""
    case = CASES[name]()
    there = {"halves": runner.adapter.shader_f16, "subgroups": runner.adapter.subgroup_size > 0}
    for index in range(len(case.program.dispatches[0].candidates)):
        with runner.prepare(case.program, case.files, {0: index}) as prepared:
            assert_outputs(prepared.run(case.inputs), case)
            (used,) = prepared.host._plan.compute
            assert (used.name in ("half", "fast")) == (index == 0 and there[name])


@pytest.mark.gpu
def test_all_candidates_give_one_result(runner: NativeRunner) -> None:
    """Whichever is chosen."""
    case = add((1000,))
    for chosen in ({}, {0: 0}, {0: 1}):
        with runner.prepare(case.program, case.files, chosen) as prepared:
            assert_outputs(prepared.run(case.inputs), case)


@pytest.mark.gpu
def test_what_a_run_takes_is_freed(runner: NativeRunner) -> None:
    """A thousand programs on one device: a gigabyte, were it kept."""
    case = add((1 << 18,))
    wanted = case.outputs["c"]
    for _ in range(300):
        found = runner.run(case.program, case.files, case.inputs)
    np.testing.assert_array_equal(found["c"], wanted)


BAD_INPUTS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": (
        {"a": np.zeros((3, 5), np.float32)},
        r"^inputs of program 'add': it misses 'b' float32 \(3, 5\)$",
    ),
    "unknown": (
        {"a": np.zeros((3, 5), np.float32), "b": np.zeros((3, 5), np.float32), "z": np.zeros(1)},
        r"^inputs of program 'add': it has no 'z'$",
    ),
    "both": ({"z": np.zeros(1)}, r"it misses 'a' .*, 'b' .* and has no 'z'$"),
    "shape": (
        {"a": np.zeros((5, 3), np.float32), "b": np.zeros((3, 5), np.float32)},
        r"^input 'a' float32 \(3, 5\): got float32 \(5, 3\)$",
    ),
    "type": (
        {"a": np.zeros((3, 5), np.float32), "b": np.zeros((3, 5))},
        r"^input 'b' float32 \(3, 5\): got float64 \(3, 5\)$",
    ),
}


@pytest.mark.gpu
@pytest.mark.parametrize("name", BAD_INPUTS)
def test_wrong_inputs_are_told(runner: NativeRunner, name: str) -> None:
    """All of the names at once."""
    inputs, message = BAD_INPUTS[name]
    case = add()
    with pytest.raises(InputError, match=message):
        runner.run(case.program, case.files, inputs)


@pytest.mark.gpu
def test_a_wrong_count_is_told(runner: NativeRunner) -> None:
    """An unknown symbol, a negative number."""
    case = counted()
    for counts in ({"m": 1}, {"n": -1}):
        with pytest.raises(InputError, match=r"the program's counts are 'n'$"):
            runner.run(case.program, case.files, case.inputs, counts)


@pytest.mark.gpu
def test_a_kernel_that_does_not_compile_is_told(runner: NativeRunner) -> None:
    """Its name and naga's words; the runner goes on."""
    case = add()
    bad = {"kernels/k.wgsl": case.files["kernels/k.wgsl"].replace(b"a[id.x]", b"a[id.xyz]")}
    with pytest.raises(DeviceError, match=r"^shader 'k' does not compile: "):
        runner.run(case.program, bad, case.inputs)
    with pytest.raises(BundleError, match=r"^program 'add': kernels/k.wgsl is missing$"):
        runner.run(case.program, {}, case.inputs)
    with pytest.raises(PlanError, match=r"no override 'WORKGROUP'"):
        runner.run(case.program, {"kernels/k.wgsl": b"fn main() {}"}, case.inputs)
    assert_outputs(runner.run(case.program, case.files, case.inputs), case)


@pytest.mark.gpu
def test_a_program_too_large_is_told(adapter: Any) -> None:
    """Before anything is allocated."""
    case = perceptron()
    small = Adapter({**DEFAULT_LIMITS, "maxBufferSize": 100})
    with (
        NativeRunner(adapter, small) as runner,
        pytest.raises(
            DeviceError,
            match=r"^program 'perceptron' needs a GPU buffer of .*'arena'.*maxBufferSize",
        ),
    ):
        runner.run(case.program, case.files, case.inputs)


def test_an_interrupted_write_leaves_the_old_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The description goes last, and names files by content; leftovers of either go."""
    folder = tmp_path / "program"
    old, new = perceptron(), perceptron(rows=9, inner=3)
    write_program(folder, old.program, old.files)
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    replace_ = Path.replace

    def interrupted(path: Path, target: Path) -> Path:
        if target.name == "program.json":
            raise KeyboardInterrupt
        return replace_(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_program(folder, new.program, new.files)
    assert read_program(folder)[0] == old.program
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert [path.name for path in tmp_path.iterdir()] == ["program"]
    write_program(folder, new.program, new.files)
    assert read_program(folder)[0] == new.program
    named = {"program.json", *new.files}
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*.*")} == named


def test_a_new_folder_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is there until everything is."""

    def interrupted(*_: object) -> None:
        assert [path.name.startswith(".vitrine-") for path in tmp_path.iterdir()] == [True]
        raise KeyboardInterrupt

    case = add()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_program(tmp_path / "program", case.program, case.files)
    assert list(tmp_path.iterdir()) == []
    write_program(tmp_path / "program", case.program, case.files)
    assert read_program(tmp_path / "program")[0] == case.program


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """As `vitrine build` does."""
    case = add()
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(InputError, match=r"is not empty and no Vitrine program"):
        write_program(tmp_path, case.program, case.files)
    with pytest.raises(InputError, match=r"is a file"):
        write_program(tmp_path / "mine.txt", case.program, case.files)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    write_program(tmp_path, case.program, case.files, force=True)
    assert read_program(tmp_path)[0] == case.program
    assert (tmp_path / "mine.txt").exists()


def test_files_must_be_those_that_the_program_names(tmp_path: Path) -> None:
    """No more, no less, of its sizes; and an invalid program is not written."""
    case = perceptron()
    name = next(iter(case.program.files))
    for files in (
        {**case.files, "more.bin": b""},
        {key: data for key, data in case.files.items() if key != name},
    ):
        with pytest.raises(BundleError, match=r"names other files than were given: "):
            write_program(tmp_path / "p", case.program, files)
    with pytest.raises(BundleError, match=r"wanted \d+ bytes, got 3"):
        write_program(tmp_path / "p", case.program, {**case.files, name: b"123"})
    with pytest.raises(BundleError, match=r"there is no buffer 't.x'"):
        write_program(tmp_path / "p", replace(case.program, buffers=()), case.files)
    assert list(tmp_path.iterdir()) == []


DAMAGE: dict[str, tuple[str, bytes | None, str]] = {
    "no description": ("program.json", None, r"program.json: No such file.*no Vitrine program"),
    "junk": ("program.json", b"\xff\x00", r"not JSON"),
    "no kernel": ("kernels/relu.wgsl", None, r"relu.wgsl: No such file.*compile the model again"),
    "no weights": ("WEIGHTS", None, r"weights-.*No such file.*compile the model again"),
    "short weights": ("WEIGHTS", b"1234", r"wanted \d+ bytes, got 4; compile the model again"),
    "long weights": ("WEIGHTS", bytes(100_000), r"has more than \d+ bytes; compile"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_folder_is_told(tmp_path: Path, name: str) -> None:
    """With the file."""
    case = perceptron()
    write_program(tmp_path / "p", case.program, case.files)
    file, data, message = DAMAGE[name]
    path = tmp_path / "p" / file.replace("WEIGHTS", next(iter(case.program.files)))
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(BundleError, match=message):
        read_program(tmp_path / "p")


def test_the_description_is_readable(tmp_path: Path) -> None:
    """A line an item, as the issue draws it."""
    case = add()
    write_program(tmp_path / "p", case.program, case.files)
    text = (tmp_path / "p" / "program.json").read_text()
    data = json.loads(text)
    assert data["vitrine_program"] == 1
    assert data["inputs"][0] == {
        "name": "a",
        "shape": [3, 5],
        "dtype": "float32",
        "storage": "f32",
        "buffer": "t.a",
    }
    assert text.count("\n") < 32


def test_integers_beyond_32_bits_are_refused() -> None:
    """int64 and uint64; what fits is exact."""
    for dtype, low, high in (("int64", -(2**31), 2**31 - 1), ("uint64", 0, 2**32 - 1)):
        info = tensor("i", (2,), dtype)
        array = np.array([low, high], dtype)
        np.testing.assert_array_equal(from_storage(to_storage(array, info), info), array)
        with pytest.raises(InputError, match=r"a value is beyond 32 bits"):
            to_storage(array + np.array([0, 1], dtype), info)


def test_conversions() -> None:
    """Half floats widen, doubles are rounded, bfloat16 comes in three ways, order is C."""
    half = np.array([1.5, -0.0, np.inf, np.nan, 6e-8], np.float16)
    info = tensor("h", (5,), "float16")
    np.testing.assert_array_equal(from_storage(to_storage(half, info), info), half)
    double = np.array([1 / 3, 1e300])
    stored = np.frombuffer(to_storage(double, tensor("d", (2,), "float64")), "<f4")
    np.testing.assert_array_equal(stored, [np.float32(1 / 3), np.inf])
    brain = np.array([1.5, -3.25], ml_dtypes.bfloat16)
    info = tensor("b", (2,), "bfloat16")
    for array in (brain, brain.view("V2"), brain.astype(np.float32)):
        assert from_storage(to_storage(array, info), info).tolist() == [1.5, -3.25]
    turned = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    stored = np.frombuffer(to_storage(turned, tensor("t", (2, 3))), "<f4")
    np.testing.assert_array_equal(stored, np.arange(6))
    big_endian = np.arange(3, dtype=">f4")
    assert to_storage(big_endian, tensor("e", (3,))) == np.arange(3, dtype="<f4").tobytes()


def test_names_by_content() -> None:
    """Two contents, two names."""
    assert file_name("weights", b"a") != file_name("weights", b"b")
    assert file_name("weights", b"a").startswith("weights-")
