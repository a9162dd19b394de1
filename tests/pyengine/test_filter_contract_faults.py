"""What is wrong with a filter's contract is told: each fault, all at once, and nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyengine.contract import ContractError, Port
from pyengine.contract.filter_override import OVERRIDES
from pyengine.contract.images import FORMAT_KEYS
from tests.pyengine.filter_contracts import Change, H, W, X, Y, port, read

Fault = tuple[tuple[Port, ...], tuple[Port, ...], Change, Mapping[str, str], str]


def fault(
    wanted: str,
    inputs: tuple[Port, ...] = (X,),
    outputs: tuple[Port, ...] = (Y,),
    override: Mapping[str, str] | None = None,
    **change: object,
) -> Fault:
    """A model, and a part of the message; ``input_x`` stands for ``input.x``."""
    keys = {key.replace("_", ".", 1): value for key, value in change.items()}
    return inputs, outputs, keys, override or {}, wanted


def with_input(wanted: str, *shape: int | str, dtype: str = "float32", **change: object) -> Fault:
    """A fault of one more input, ``i``."""
    return fault(wanted, (X, port("i", *shape, dtype=dtype)), **change)


STATE = (Y, port("k", 4))
FAULTS: dict[str, Fault] = {
    "no image in": fault("no input is the image", (port("x", 3),), input_x=None),
    "no image out": fault("Say which it is: vitrine.output.y = image", output_y="unused"),
    "two images in": with_input("inputs 'x' and 'i' all have", 1, 3, H, W, input_i="image"),
    "two images out": fault(
        "outputs 'y' and 'z' all have", outputs=(Y, port("z", 3, H, W)), output_z="image"
    ),
    "two that may be": with_input("inputs 'x' and 'i' have the shape", 1, 3, H, W, input_x=None),
    "five channels": fault(
        "output 'y' (image): wanted (1, 3, H, W)", outputs=(port("y", 1, 5, H, W),)
    ),
    "a batch of two": fault("got (2, 3, 12, 20)", (port("x", 2, 3, H, W),)),
    "doubles": fault(
        "wanted float32 or float16 or uint8, got float64", (Port("x", X.shape, "float64"),)
    ),
    "an unknown role": fault("did you mean 'image'?", input_x="imagee"),
    "an unknown role of an output": fault("did you mean 'image'?", output_y="imag"),
    "a generator's role": with_input("joints is for generators", 24, 3, input_i="joints"),
    "a generator's output": fault("is for generators", output_y="gaussian.color"),
    "a generator's key": fault("vitrine.clip", clip={"duration": 1}),
    "an activation": fault("this key is for generators", activation_y="sigmoid"),
    "no kind": fault("vitrine.kind is missing; add vitrine.kind = filter", kind=None),
    "another version": fault("wanted 1, the version", contract="2"),
    "a key of no tensor": fault("did you mean 'x'?", image_xx={}),
    "an image key of an output that is none": fault(
        "output 'k' (unused) is no image", outputs=STATE, image_k={}
    ),
    "an image key of a control": with_input(
        "is control, no image", 1, control_i={"min": 0, "max": 1}, image_i={}
    ),
    "an input that nothing fills": with_input("add vitrine.input.i = time, or control", 1),
    "a second image that nothing fills": with_input("vitrine.input.i = previous", 1, 3, H, W),
    "a control without a range": with_input(
        "has no range; add vitrine.control.i", 1, input_i="control"
    ),
    "a control of two": with_input(
        "wanted one element, got (2,)", 2, control_i={"min": 0, "max": 1}
    ),
    "an open latent": with_input("its size k is open", 1, "k", input_i="latent"),
    "a time of integers": with_input("got int32", 1, dtype="int32", input_i="time"),
    "a default of the image": fault("image is always filled", default_x=[1]),
    "depth of three channels": with_input(
        "input 'i' (depth): wanted (1, 1, H, W) or (1, H, W, 1)", 1, 3, H, W, input_i="depth"
    ),
    "depth of bytes": with_input("got uint8", 1, 1, H, W, dtype="uint8", input_i="depth"),
    "depth with a range": with_input(
        "depth is in world units", 1, 1, H, W, input_i="depth", image_i={}
    ),
    "depth of another size": with_input(
        "input 'i' (depth): wanted 12 x 20", 1, 1, H, 9, input_i="depth"
    ),
    "before of another size": with_input(
        "input 'i' (previous): wanted", 1, 3, 9, W, input_i="previous"
    ),
    "before of other channels": with_input(
        "what the output 'y' gives", 1, 1, H, W, input_i="previous"
    ),
    "before of another order": with_input(
        "what the output 'y' gives", 1, 3, H, W, input_i="previous", image_i={"channels": "bgr"}
    ),
    "before of another range": with_input(
        "what the output 'y' gives", 1, 3, H, W, input_i="previous", image_i={"range": [0, 2]}
    ),
    "before of another type": with_input(
        "what the output 'y' gives", 1, 3, H, W, dtype="float16", input_i="previous"
    ),
    "a state without its output": with_input("there is none", 4, input_i="state:k"),
    "a state that nobody takes": fault(
        "add vitrine.input.NAME = state:k", outputs=STATE, output_k="state"
    ),
    "a state of another shape": fault(
        "wanted float32 (4,) as the output",
        (X, port("i", 5)),
        STATE,
        output_k="state",
        input_i="state:k",
    ),
    "an open state": fault(
        "its size q is open, and it is no size of the image",
        (X, port("i", "q")),
        (Y, port("k", "q")),
        output_k="state",
        input_i="state:k",
    ),
    "a deviation of zero": fault("3 numbers, above 0, or one for all", image_x={"std": [1, 0, 1]}),
    "two means": fault("3 numbers, or one for all", image_x={"mean": [0, 0]}),
    "NaN in a range": fault("the values of black and of white", image_x='{"range": [NaN, 1]}'),
    "a range of nothing": fault("the values of black and of white", image_y={"range": [1, 1]}),
    "channels of another number": fault("rgb or bgr for 3 channels", image_x={"channels": "y"}),
    "an unknown layout": fault("wanted nchw or nhwc", image_x={"layout": "chw"}),
    "a layout that does not fit": fault("in the layout nhwc", image_x={"layout": "nhwc"}),
    "an unknown word": fault("may be left out", image_x={"rnge": [0, 1]}),
    "no JSON": fault("it is no JSON", image_x="{"),
    "bytes with a mean": fault(
        "uint8, whole numbers from 0 to 255", (Port("x", X.shape, "uint8"),), image_x={"mean": 1}
    ),
    "two ratios": fault(
        "2 times as high and 1 times as wide", outputs=(port("y", 1, 3, 2 * H, W),)
    ),
    "too large": fault("wanted 1/8 to 8", outputs=(port("y", 1, 3, 9 * H, 9 * W),)),
    "half open": fault("both fixed or both open", (port("x", 1, 3, H, "w"),)),
    "half open output": fault(
        "output 'y' (image): wanted height and width both", outputs=(port("y", 1, 3, "h", W),)
    ),
    "open in, fixed out": fault("is of any size", (port("x", 1, 3, "h", "w"),)),
    "fixed in, open out": fault("is of any size", outputs=(port("y", 1, 3, "h", "w"),)),
    "squares": fault("the same symbol 's'", (port("x", 1, 3, "s", "s"),)),
    "an unknown override": fault("did you mean 'range'?", override={"rang": "1"}),
    "an override of no output": fault("output='z': wanted one of 'y'", override={"output": "z"}),
    "an override of no input": fault("input='z': wanted one of 'x'", override={"input": "z"}),
    "a range of one": fault("wanted two numbers, as 0..255", override={"range": "255"}),
    "a mean of words": fault("wanted numbers", override={"mean": "imagenet"}),
    "an override of channels": fault("channels=y: wanted channels as", override={"channels": "y"}),
    "an override of nothing": fault("wanted one of gray, y", override={"channels": "grey"}),
    "an override of the layout": fault("layout=nhwc: wanted nchw", override={"layout": "nhwc"}),
    "an override's deviation": fault("std of --filter", override={"std": "0"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    """Each is found, told once, and in a line that a terminal can hold."""
    inputs, outputs, change, override, wanted = FAULTS[name]
    with pytest.raises(ContractError) as error:
        read(inputs, outputs, change, override)
    problems = error.value.problems
    assert any(wanted in problem for problem in problems), problems
    assert all(len(problem) < 500 for problem in problems)
    assert len({*problems}) == len(problems)


def test_all_problems_are_told_at_once() -> None:
    """One error, a line each."""
    inputs = X, port("d", 1, 3, H, W), port("c", 1)
    change = {"input.d": "depth", "input.c": "control", "image.x": {"std": 0}, "rate": "fast"}
    with pytest.raises(ContractError) as error:
        read(inputs, (port("y", 1, 3, H, 2 * W),), change, {"colour": "1"})
    assert len(error.value.problems) == 6
    assert str(error.value).splitlines()[0] == "m.onnx: 6 problems."


VALUES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["1", "[]", "{}", "null", '{"range":[1]}', '{"layout":[]}', '{"std":1e999}']),
    st.dictionaries(
        st.sampled_from(FORMAT_KEYS),
        st.none() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.floats()),
        max_size=3,
    ).map(json.dumps),
)
KEYS = st.sampled_from(
    ["input.x", "input.i", "image.x", "image.i", "image.y", "output.y", "kind", "rate", "control.i"]
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.dictionaries(st.sampled_from(OVERRIDES), st.text(max_size=8), max_size=2),
)
def test_nothing_but_a_contract_error_comes_out(
    entries: dict[str, str], override: dict[str, str]
) -> None:
    """Whatever metadata and command line hold."""
    with contextlib.suppress(ContractError):
        read((X, port("i", 1, 3, H, W)), change=entries, override=override)
