"""``vitrine run``: files in, files and a table out; every fault is one line and status 2."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pybuild import running
from pybuild.programs import write_program
from tests.pybuild.command import Run, command
from tests.small_programs import CASES, Case, add, counted, perceptron, typed

NUMBER = r"-?[\d.e+-]+"


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """``vitrine run`` in this process, with a cache of its own: status, stdout, stderr."""
    monkeypatch.setenv("VITRINE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return partial(command(capfd), "run")


def laid_out(case: Case, folder: Path) -> list[str]:
    """Write a program and its inputs; the arguments that name them."""
    write_program(folder / "program", case.program, case.files)
    arguments = [str(folder / "program")]
    for name, array in case.inputs.items():
        np.save(folder / f"{name}.npy", array)
        arguments += ["--input", f"{name}={folder / f'{name}.npy'}"]
    for name, count in case.counts.items():
        arguments += ["--count", f"{name}={count}"]
    return arguments


UNSAVED = re.compile("float8_.*|float4_.*|u?int[24]")
"""Types that a .npy file does not name: np.save writes them as bytes without a type."""


@pytest.mark.gpu
@pytest.mark.parametrize("name", [name for name in CASES if not UNSAVED.fullmatch(name)])
def test_a_program_runs(run: Run, adapter: object, tmp_path: Path, name: str) -> None:
    """What is written is what numpy says; the table has a line an output."""
    case = CASES[name]()
    status, out, err = run(*laid_out(case, tmp_path), "-o", "made/out")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["output", "type", "shape", "min", "max", "mean", "file"]
    for line, (key, wanted) in zip(lines[1:], case.outputs.items(), strict=False):
        assert line.split()[:2] == [key, wanted.dtype.name]
        assert line.endswith(f"{key}.npy")
        found = np.load(Path("made/out") / f"{key}.npy")
        assert found.shape == wanted.shape
        assert found.dtype == ("float32" if wanted.dtype.name == "bfloat16" else wanted.dtype)
        np.testing.assert_allclose(found, wanted.astype(found.dtype), rtol=1e-4, atol=1e-5)
    assert re.fullmatch(rf"{case.program.name}: \d+ dispatch(es)?, {NUMBER} ms on .+", lines[-1])
    assert len(list(Path("made/out").iterdir())) == len(case.outputs)


@pytest.mark.gpu
def test_seeds_fill_what_is_not_given(run: Run, adapter: object, tmp_path: Path) -> None:
    """The same seed the same numbers, whatever else is given; nothing is written without -o."""
    arguments = laid_out(add(), tmp_path)
    program, given = arguments[0], arguments[1:3]
    tables = [
        run(program, "--seed", "1")[1],
        run(program, "--seed", "1", "--no-tune", "--repeat", "3")[1],
        run(program, "--seed", "2")[1],
        run(program, *given, "--seed", "1")[1],
    ]
    rows = [table.splitlines()[1] for table in tables]
    assert rows[0] == rows[1]
    assert len(set(rows)) == 3
    assert list(Path().iterdir()) == []


@pytest.mark.gpu
def test_tuning_is_remembered(run: Run, adapter: object, tmp_path: Path) -> None:
    """In the user's cache folder, unless it is not wanted."""
    arguments = laid_out(add((1000,)), tmp_path)
    cache = tmp_path / "cache" / "tuning.json"
    assert run(*arguments, "--no-tune")[0] == 0
    assert run(*arguments, "--tune-seconds", "0")[0] == 0
    assert not cache.exists()
    assert run(*arguments)[0] == 0
    assert cache.exists()
    cache.write_text("{")
    status, _, err = run(*arguments)
    assert status == 0
    assert re.fullmatch(r"vitrine: .*tuning\.json: not JSON.*measured again\n", err)


@pytest.mark.gpu
def test_bfloat16_comes_as_float32_too(run: Run, adapter: object, tmp_path: Path) -> None:
    """A .npy file does not know it: bare 2-byte values come in, float32 goes out."""
    case = typed("bfloat16")
    arguments = laid_out(case, tmp_path)
    np.save(tmp_path / "a.npy", case.inputs["a"].astype(np.float32))
    np.save(tmp_path / "b.npy", case.inputs["b"].view(np.uint16).view("V2"))
    assert run(*arguments, "-o", "out")[0] == 0
    found = np.load("out/c.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.astype(ml_dtypes.bfloat16), case.outputs["c"])


def test_file_names_are_safe() -> None:
    """On every system; names that become alike are told apart."""
    names = ["a/b:c", "a_b_c", "A_B_C", "..", "../../etc/x", "", "é", "x" * 300, "CON.npy", "a=b"]
    files = running._file_names(names)
    assert list(files) == names
    assert files["a/b:c"] == "a_b_c.npy"
    assert files["a_b_c"] == "a_b_c-2.npy"
    assert files["A_B_C"] == "A_B_C-3.npy"
    assert files[".."] == "output.npy"
    assert files["../../etc/x"] == "_.._etc_x.npy"
    for file in files.values():
        assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,110}\.npy", file)
    assert len({file.lower() for file in files.values()}) == len(names)


def renamed(case: Case, names: dict[str, str]) -> Case:
    """The case with other names of inputs."""
    inputs = tuple(replace(t, name=names.get(t.name, t.name)) for t in case.program.inputs)
    return replace(
        case,
        program=replace(case.program, inputs=inputs),
        inputs={names.get(name, name): array for name, array in case.inputs.items()},
    )


@pytest.mark.gpu
def test_names_may_hold_an_equals_sign(run: Run, adapter: object, tmp_path: Path) -> None:
    """The longest name that fits is meant."""
    case = renamed(add(), {"b": "a=a"})
    assert run(*laid_out(case, tmp_path), "-o", "out")[0] == 0
    np.testing.assert_allclose(np.load("out/c.npy"), case.outputs["c"], rtol=1e-6)


FAULTS: dict[str, tuple[list[str], str]] = {
    "no program": ([], "Missing argument 'DIR'"),
    "no folder": (["nothing"], "nothing: no such folder"),
    "a file": (["A.npy"], "A.npy: no such folder"),
    "another folder": (["EMPTY"], "no Vitrine program"),
    "no inputs": (
        ["ADD"],
        "it misses 'a' float32 (3, 5), 'b' float32 (3, 5); give NAME=FILE.npy to --input, or fill",
    ),
    "one input": (["ADD", "--input", "a=A.npy"], "it misses 'b' float32 (3, 5); give"),
    "an unknown input": (
        ["ADD", "--input", "z=A.npy"],
        "--input wants NAME=FILE.npy with a NAME of: a, b; got 'z=A.npy'",
    ),
    "no file": (["ADD", "--input", "a="], "--input wants NAME=FILE.npy"),
    "no equals sign": (["ADD", "--input", "a"], "--input wants NAME=FILE.npy"),
    "given twice": (["ADD", "--input", "a=A.npy", "--input", "a=A.npy"], "'a' is given twice"),
    "a missing file": (
        ["ADD", "--input", "a=no.npy"],
        "no.npy: No such file or directory (--input",
    ),
    "a folder": (["ADD", "--input", "a=EMPTY"], "EMPTY: Is a directory (--input a)"),
    "no npy": (["ADD", "--input", "a=text.npy"], "text.npy: is no .npy file; numpy.save writes"),
    "a zip of arrays": (["ADD", "--input", "a=arrays.npz"], "arrays.npz: is no .npy file"),
    "a pickle": (["ADD", "--input", "a=pickle.npy"], "pickle.npy: cannot be read as a .npy file"),
    "cut short": (["ADD", "--input", "a=cut.npy"], "cut.npy: cannot be read as a .npy file"),
    "an odd header": (["ADD", "--input", "a=odd.npy"], "odd.npy: cannot be read as a .npy file"),
    "an enormous array": (["ADD", "--input", "a=huge.npy"], "huge.npy: cannot be read as a .npy"),
    "another shape": (
        ["ADD", "--input", "a=wide.npy", "--seed", "0"],
        "input 'a' float32 (3, 5): got float32 (5, 3)",
    ),
    "another type": (
        ["ADD", "--input", "a=double.npy", "--seed", "0"],
        "input 'a' float32 (3, 5): got float64 (3, 5)",
    ),
    "an unknown count": (["ADD", "--count", "n=1"], "with a NAME of: none; got 'n=1'"),
    "a count of text": (
        ["COUNTED", "--count", "n=x"],
        "--count 'n' wants a number from 0, got 'x'",
    ),
    "a negative count": (["COUNTED", "--count", "n=-1"], "--count 'n' wants a number from 0"),
    "a negative seed": (["ADD", "--seed", "-1"], "--seed"),
    "no repeats": (["ADD", "--repeat", "0"], "--repeat"),
    "a negative budget": (["ADD", "--tune-seconds", "-1"], "--tune-seconds"),
    "out is a file": (["ADD", "--seed", "0", "-o", "A.npy"], "A.npy: is a file; -o wants a folder"),
    "a damaged program": (["BROKEN"], "program.json: unknown key 'more'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_and_status_2(run: Run, tmp_path: Path, name: str) -> None:
    """Before there is a device, and nothing is written."""
    laid_out(add(), tmp_path)
    write_program(tmp_path / "counted", counted().program, counted().files)
    broken = tmp_path / "broken"
    write_program(broken, perceptron().program, perceptron().files)
    text = (broken / "program.json").read_text()
    (broken / "program.json").write_text(text.replace("{", '{"more": 1,', 1))
    array = np.zeros((3, 5), np.float32)
    np.save("A.npy", array)
    np.save("wide.npy", array.T.copy())
    np.save("double.npy", array.astype(np.float64))
    np.savez("arrays.npz", a=array)
    np.save("pickle.npy", np.array([{}], object), allow_pickle=True)
    whole = Path("A.npy").read_bytes()
    Path("cut.npy").write_bytes(whole[:-7])
    Path("odd.npy").write_bytes(whole.replace(b"descr", b"descx"))
    huge = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1 << 60,), }".replace(
        b"1 << 60", str(1 << 60).encode()
    )
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(huge) + 1) + huge + b"\n"
    Path("huge.npy").write_bytes(header)
    Path("text.npy").write_text("1 2 3")
    Path("EMPTY").mkdir()
    before = sorted(tmp_path.rglob("*"))
    places = {"ADD": "program", "COUNTED": "counted", "BROKEN": "broken"}
    argv, message = FAULTS[name]
    status, out, err = run(*(tmp_path / places[item] if item in places else item for item in argv))
    assert status == 2
    assert out == ""
    assert err.startswith("vitrine: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_help(run: Run) -> None:
    """It ends with an example."""
    status, out, _ = run("--help")
    assert status == 0
    assert "Example: vitrine run" in out


@pytest.mark.gpu
def test_a_kernel_that_does_not_compile_is_one_line(run: Run, adapter: Any, tmp_path: Path) -> None:
    """Its name and the compiler's words."""
    case = add()
    arguments = laid_out(case, tmp_path)
    kernel = tmp_path / "program/kernels/k.wgsl"
    kernel.write_bytes(kernel.read_bytes().replace(b"c[id.x] =", b"c[id.x] = nothing +"))
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("vitrine: shader 'k' does not compile: ")
    assert "no definition in scope for identifier: `nothing`" in err
    assert err.count("\n") == 1
