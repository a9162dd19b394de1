"""The Gaussian Generator contract, version 1: what a network's tensors mean. See docs/contract.md.

::

    model            what was understood, as data
    roles            what an input or an output may be, and the shapes that each may have
    values           the metadata's keys and their JSON
    outputs, inputs   what each tensor says, into the model
    reading          all of it: `read_contract`
"""

from __future__ import annotations

from pyengine.contract.model import Clip, Contract, Control, Feed, ImageFormat, Port, Product
from pyengine.contract.reading import is_generator, read_contract
from pyengine.errors import ContractError

__all__ = [
    "Clip",
    "Contract",
    "ContractError",
    "Control",
    "Feed",
    "ImageFormat",
    "Port",
    "Product",
    "is_generator",
    "read_contract",
]
