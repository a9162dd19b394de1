"""What ``vitrine inspect`` and ``check`` do with networks, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pybuild.filters.given import GivenFilter, parse_filter
from pybuild.onnx.models import Sizes
from pybuild.onnx.problems import GraphError
from pybuild.programs import PROGRAM_FILE, read_program
from pybuild.terminal import progress
from pyengine.errors import ContractError, InputError

__all__ = ["check", "inspect", "is_network"]

SUFFIX = ".onnx"
OPEN_SIZE = (384, 256)
"""Width and height that a filter of any size is compiled for, to see that it can be."""


def is_network(path: Path) -> bool:
    """Whether a path is an ONNX model's or a program's folder, by its name alone."""
    return path.suffix.lower() == SUFFIX or (path / PROGRAM_FILE).is_file()


def inspect(
    source: Path, shapes: Iterable[str] = (), capacities: Iterable[str] = (), as_json: bool = False
) -> None:
    """Print a report; a model that cannot be compiled is one too, with the reasons.

    Raises
    ------
    InputError
        No model and no program.
    """
    from pybuild.compiling import must_be_model, parse_sizes
    from pybuild.onnx import inspection, report

    sizes = parse_sizes(shapes, capacities)
    if source.is_dir():
        if sizes.shapes or sizes.capacities:
            raise InputError(f"{source}: --shape and --capacity are for models; this is compiled")
        facts = inspection.program_facts(source, read_program(source)[0])
    else:
        must_be_model(source)
        with progress() as tell:
            facts = inspection.model_facts(source, sizes, tell)
            facts["filter"], told = _filter(source)
            facts["generator"] = None
            if facts["filter"] is None:
                facts["generator"], told = _generator(source, sizes)
    lines = [] if source.is_dir() else told
    print(json.dumps(facts, indent=1) if as_json else "\n".join([report.text(facts), *lines]))


def check(text: str, as_json: bool = False) -> int:
    """Print how a generator's or a filter's tensors were understood, or all that is wrong.

    Parameters
    ----------
    text : str
        A model's file; of a filter perhaps with what its metadata do not say, as in
        `pybuild.filters.given.parse_filter`.

    Returns
    -------
    int
        0, or 2 where something is wrong and JSON was asked for.

    Raises
    ------
    InputError
        No file, or options that say nothing; or it is neither, and JSON was not asked for.
    """
    from pybuild.filters.describe import filters_images
    from pybuild.generators.compile import compile_generator
    from pybuild.generators.describe import contract_facts, contract_lines, describe

    given = _given(text)
    model = given.path
    try:
        if given != GivenFilter(model, name=given.name) or filters_images(model):
            _check_filter(given, as_json)
            return 0
        contract = describe(model)
        program = compile_generator(model, contract).compiled.program
    except (GraphError, ContractError) as error:
        if not as_json:
            raise
        problems = [str(problem) for problem in error.problems]
        print(json.dumps({"source": str(model), "problems": problems}, indent=1))
        return 2
    count = len(program.dispatches)
    if as_json:
        facts = {"source": str(model), "problems": [], "dispatches": count}
        print(json.dumps({**facts, "generator": contract_facts(contract)}, indent=1))
    else:
        print(f"{model}: a generator; {count} dispatch{'es' * (count != 1)}")
        print("\n".join(contract_lines(contract)))
    return 0


def _given(text: str) -> GivenFilter:
    """A model's file, and what was said of it."""
    from pybuild.compiling import must_be_model

    path = Path(text)
    if path.exists() or not set("@+") & set(text):
        must_be_model(path)
        return GivenFilter(path, name=path.stem)
    first, *others = parse_filter(text, f"check {text!r}")
    if others:
        raise InputError(f"check {text!r}: {len(others) + 1} networks; check one after the other")
    return first


def _check_filter(given: GivenFilter, as_json: bool) -> None:
    """Print how a filter's tensors were understood; raise what is wrong."""
    from pybuild.filters.compile import compile_filter
    from pybuild.filters.describe import (
        describe_filter,
        filter_facts,
        filter_lines,
        filter_title,
    )
    from pybuild.filters.retarget import Elastic

    model = given.path
    contract = describe_filter(model, given.override)
    image = contract.source.image
    sizes = list(given.sizes)
    if not sizes:
        sizes = [OPEN_SIZE]
        if contract.open:
            elastic = Elastic(model, contract)
            sizes = sizes if elastic.fits(OPEN_SIZE) else elastic.nearest(OPEN_SIZE)
        elif image is not None and given.tiles is None:
            sizes = [(image.width, image.height)]
    made = [
        compile_filter(model, contract, size, tiles=given.tiles, weights=given.weights or "f32")
        for size in sizes
    ]
    count = len(made[0].compiled.program.dispatches)
    if as_json:
        facts = {"source": str(model), "problems": [], "dispatches": count}
        print(json.dumps({**facts, "filter": filter_facts(contract)}, indent=1))
        return
    dispatches = f"{count} dispatch{'es' * (count != 1)}"
    print(f"{model}: a filter: {filter_title(contract)}; {dispatches}")
    print("\n".join(filter_lines(contract)))


def _filter(model: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """What a report says of a model that changes images, as JSON values and as lines."""
    from pybuild.filters.describe import (
        describe_filter,
        filter_facts,
        filter_lines,
        filters_images,
    )

    if not filters_images(model):
        return None, []
    try:
        contract = describe_filter(model)
    except ContractError as error:
        lines = ["", "Not the filter that it means to be:", *(f"  {p}" for p in error.problems)]
        return {"problems": list(error.problems)}, lines
    except GraphError:  # the report has it already
        return {"problems": []}, []
    return {"problems": [], **filter_facts(contract)}, ["", "Filter", *filter_lines(contract)]


def _generator(model: Path, sizes: Sizes) -> tuple[dict[str, Any] | None, list[str]]:
    """What a report says of a model that makes Gaussians, as JSON values and as lines."""
    from pybuild.generators.describe import (
        contract_facts,
        contract_lines,
        describe,
        makes_gaussians,
    )

    if not makes_gaussians(model, sizes):
        return None, []
    try:
        contract = describe(model, sizes)
    except ContractError as error:
        lines = ["", "Not the generator that it means to be:", *(f"  {p}" for p in error.problems)]
        return {"problems": list(error.problems)}, lines
    except GraphError:  # the report has it already
        return {"problems": []}, []
    facts = {"problems": [], **contract_facts(contract)}
    return facts, ["", "Generator", *contract_lines(contract)]
