"""Every exception that Vitrine raises on purpose, in one tree.

::

    VitrineError
    ├── InputError            the user's input is at fault: one line, exit status 2
    │   ├── ContractError     a network whose tensors are not what a generator's must be
    │   ├── FormatError       a scene file that cannot be read
    │   ├── BundleError       a bundle folder that is not one, or is damaged
    │   └── ViewError         a view file or camera argument that makes no camera
    └── EngineError           the machine or the engine is at fault
        ├── DeviceError       no adapter, a lost device, a limit the adapter does not offer
        └── PlanError         a plan that breaks WebGPU's rules (a defect of ours)

A message says what is wrong, where, what was wanted, what was found and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "BundleError",
    "ContractError",
    "DeviceError",
    "EngineError",
    "FormatError",
    "InputError",
    "PlanError",
    "ViewError",
    "VitrineError",
    "malformed",
]


class VitrineError(Exception):
    """Root of the tree; never raised itself."""


class InputError(VitrineError):
    """The input is at fault; the message tells its owner what to do."""


class ContractError(InputError):
    """A network that does not meet the generator's contract; ``problems`` has all the reasons."""

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.where = where
        self.problems = tuple(problems)
        lines = [f"{problem}." for problem in self.problems]
        if len(lines) == 1:
            super().__init__(f"{where}: {lines[0]}")
        else:
            super().__init__("\n  ".join([f"{where}: {len(lines)} problems.", *lines]))


class FormatError(InputError):
    """A scene file that cannot be read: ``path: what is wrong``."""


class BundleError(InputError):
    """A bundle that is missing, damaged or of another version."""


class ViewError(InputError):
    """A camera that cannot be made from what was given."""


class EngineError(VitrineError):
    """The machine or the engine is at fault."""


class DeviceError(EngineError):
    """No adapter, a lost device, or a limit that the adapter does not offer."""


class PlanError(EngineError):
    """A plan that breaks a rule of WebGPU; a defect of Vitrine itself."""


def malformed(
    name: str, what: str, *, wanted: object = None, got: object = None, hint: str | None = None
) -> FormatError:
    """A FormatError of one line: where, what is wrong, wanted, got and what to do."""
    text = f"{name}: {what}"
    if wanted is not None:
        text += f"; wanted {wanted}"
    if got is not None:
        text += f"; got {got}"
    return FormatError(text + (f". {hint}" if hint else "."))
