"""The contract of networks, version 1: what a generator's or a filter's tensors mean.

See docs/contract.md.

::

    model            what was understood, as data
    roles            what an input or an output may be, and the shapes that each may have
    values           the metadata's keys and their JSON
    outputs, inputs   what each tensor says, into the model
    reading          all of it: `read_contract`

and for filters of the rendered image::

    images           shapes that are images, and how pixels become numbers
    filter_override  what the command line says in place of the metadata
    filter_roles     which tensor is what
    filter_sizes     whether the sizes fit together
    filters          all of it: `read_filter`
"""

from __future__ import annotations

from pyengine.contract.filters import is_filter, read_filter
from pyengine.contract.model import (
    Clip,
    Contract,
    Control,
    Feed,
    FilterContract,
    ImageFormat,
    Port,
    Product,
)
from pyengine.contract.reading import is_generator, read_contract
from pyengine.errors import ContractError

__all__ = [
    "Clip",
    "Contract",
    "ContractError",
    "Control",
    "Feed",
    "FilterContract",
    "ImageFormat",
    "Port",
    "Product",
    "is_filter",
    "is_generator",
    "read_contract",
    "read_filter",
]
