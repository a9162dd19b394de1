"""Every exception that Vitrine raises on purpose, in one tree.

::

    VitrineError
    ├── InputError            the user's input is at fault: one line, exit status 2
    │   ├── FormatError       a scene file that cannot be read
    │   ├── BundleError       a bundle folder that is not one, or is damaged
    │   └── ViewError         a view file or camera argument that makes no camera
    └── EngineError           the machine or the engine is at fault
        ├── DeviceError       no adapter, a lost device, a limit the adapter does not offer
        └── PlanError         a plan that breaks WebGPU's rules (a defect of ours)

A message says what is wrong, where, what was wanted, what was found and what to do.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "DeviceError",
    "EngineError",
    "FormatError",
    "InputError",
    "PlanError",
    "ViewError",
    "VitrineError",
]


class VitrineError(Exception):
    """Root of the tree; never raised itself."""


class InputError(VitrineError):
    """The input is at fault; the message tells its owner what to do."""


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
