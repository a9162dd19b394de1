"""A program's inputs and outputs by name, checked against what the scene says of them."""

from __future__ import annotations

from collections.abc import Iterable

from pyengine.errors import BundleError
from pyengine.feeds import FeedSpec
from pyengine.program import Program, Tensor

__all__ = ["fault", "fed_input", "named_input", "named_output", "state_pairs"]


def fault(program: Program, what: str) -> BundleError:
    """What is wrong between a program and its scene, and what to do."""
    return BundleError(f"program {program.name!r}: {what}; build the scene again")


def named_input(program: Program, name: str) -> Tensor:
    """The input of a name.

    Raises
    ------
    BundleError
        There is none.
    """
    for tensor in program.inputs:
        if tensor.name == name:
            return tensor
    raise fault(program, f"there is no input {name!r}, which the scene feeds")


def named_output(program: Program, name: str) -> Tensor:
    """The output of a name; errors as `named_input`."""
    for tensor in program.outputs:
        if tensor.name == name:
            return tensor
    raise fault(program, f"there is no output {name!r}")


def fed_input(program: Program, feed: FeedSpec) -> Tensor:
    """The input that a feed fills.

    Raises
    ------
    BundleError
        There is none, or it has another shape or type.
    """
    tensor = named_input(program, feed.name)
    if (tensor.shape, tensor.dtype) != (feed.shape, feed.dtype):
        raise fault(
            program,
            f"input {feed.name!r} has {tensor.dtype} {list(tensor.shape)}, the scene says "
            f"{feed.dtype} {list(feed.shape)}",
        )
    return tensor


def state_pairs(
    program: Program, states: Iterable[tuple[Tensor, Tensor]], prefix: str
) -> list[tuple[str, str]]:
    """Buffers of the plan that each state goes between.

    Parameters
    ----------
    states : iterable of (input, output)
    prefix : str
        Begins the names of the program's buffers in the plan.

    Raises
    ------
    BundleError
        They differ in size or type, share a buffer, or hold what a file says.
    """
    pairs = []
    for taken, given in states:
        if (given.size_bytes, given.storage) != (taken.size_bytes, taken.storage):
            raise fault(program, f"state {taken.name!r} goes in and comes out differently")
        pairs.append((prefix + taken.buffer, prefix + given.buffer))
    names = [name for pair in pairs for name in pair]
    if len(set(names)) != len(names):
        raise fault(program, "two states share a buffer")
    if {prefix + buffer.name for buffer in program.buffers if buffer.file} & set(names):
        raise fault(program, "a state is constant")
    return pairs
