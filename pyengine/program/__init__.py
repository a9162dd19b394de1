"""A program: one compiled ONNX graph as data, and the part of a plan that runs it.

A program's folder holds ``program.json``, the kernels' WGSL and the files of buffers.
"""

from pyengine.program.model import (
    STORAGE,
    VERSION,
    Candidate,
    Program,
    ProgramBuffer,
    ProgramDispatch,
    Tensor,
)
from pyengine.program.part import defaults, eligible, program_part, required_limits

__all__ = [
    "STORAGE",
    "VERSION",
    "Candidate",
    "Program",
    "ProgramBuffer",
    "ProgramDispatch",
    "Tensor",
    "defaults",
    "eligible",
    "program_part",
    "required_limits",
]
