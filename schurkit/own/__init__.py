"""A network of the reader's own: read from a file or taken from memory, checked, and analysed.
Nothing that is read is ever run.
"""

from __future__ import annotations

from .analysis import analyze, examine
from .any_module import from_module
from .any_network import AnyNetwork, from_callable
from .check import Check, check_against
from .constraints import constraint_report
from .load import Imported, from_arrays, load_rnn, read_network
from .modules import from_neurogym, from_torch
from .trials import load_trials

__all__ = [
    "AnyNetwork",
    "Check",
    "Imported",
    "analyze",
    "check_against",
    "constraint_report",
    "examine",
    "from_arrays",
    "from_callable",
    "from_module",
    "from_neurogym",
    "from_torch",
    "load_rnn",
    "load_trials",
    "read_network",
]
