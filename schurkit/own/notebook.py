"""The notebook behind the page: a template that ships with the package, with the reader's
parameters filled in.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from schurkit.ablation import DECIDING

TEMPLATE = Path(__file__).with_name("template.ipynb")
_LINE = re.compile(r"(?P<name>\w+): (?P<kind>[^=]+) = (?P<value>.*?)  # (?P<help>.*)")


def filled(values: dict) -> dict:
    """The template notebook whose parameters cell holds `values`, written as Python literals;
    parameters that are not named keep their defaults.

    Text becomes a quoted literal: whatever a file name holds, it is data and not code.
    """
    notebook = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    (cell,) = [
        cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])
    ]
    left, lines = dict(values), []
    for line in cell["source"]:
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match["name"] in left:
            line = (
                f"{match['name']}: {match['kind']} = {_literal(left.pop(match['name']))}  # "
                f"{match['help']}\n"
            )
        lines.append(line)
    if left:
        raise KeyError(f"the template has no parameter {', '.join(left)}")
    cell["source"] = [*lines[:-1], lines[-1].rstrip("\n")]
    return notebook


def _literal(value) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_literal(item) for item in value)}]"
    return repr(value)


def values_of(arguments) -> dict:
    """Parameters of the template from the arguments of `schurkit analyze`; files are named as the
    reader named them.
    """
    from .load import WEIGHTS

    names = [
        name
        for given in arguments.transpose or ()
        for name in (WEIGHTS if given == "all" else (given,))
    ]
    return {
        "weights": arguments.weights, "trials": arguments.trials or "", "network": arguments.network or "", "threshold": arguments.threshold,
        "activation": arguments.activation or "", "leak": arguments.leak, "form": arguments.form or "", "transpose": list(dict.fromkeys(names)),
        "recurrent": arguments.recurrent or "", "readout": arguments.readout or "", "draws": arguments.draws, "seed": arguments.seed,
        "force_unchecked": arguments.force_unchecked, "controls": controls_of(arguments),
    }  # fmt: skip


def controls_of(arguments) -> list[str]:
    """The two kinds that decide how a removal reads, and what else was asked for."""
    return list(dict.fromkeys([*DECIDING, *(arguments.controls or ())]))


def as_text(notebook: dict) -> str:
    """The notebook as a file holds it."""
    return json.dumps(notebook, indent=1) + "\n"
