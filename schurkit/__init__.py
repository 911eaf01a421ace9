"""schurkit: what can a trained recurrent network lose and still do its task?

Ordered real Schur coordinates of a recurrent matrix, ablations with controls, and the training behind the book.
"""

from __future__ import annotations

from importlib import import_module

from ._checks import InputError
from .ablation import AblationRow, ablate, ablation_profile, control_changes, refit_readout
from .engine import rollout
from .metrics import Metric, fvu, interval, replay_accuracy
from .rnn import RNN, Rollout, Trials
from .schur import SchurForm, henrici, real_schur

__version__ = "0.1.0"

_LAZY = {
    "train": ".training",
    "Recipe": ".training",
    "tasks": None,
    "load_rnn": ".own",
    "load_trials": ".own",
    "from_torch": ".own",
    "from_arrays": ".own",
    "check_against": ".own",
}

__all__ = [
    "RNN", "AblationRow", "InputError", "Metric", "Rollout", "SchurForm", "Trials", "ablate", "ablation_profile", "control_changes",
    "fvu", "henrici", "interval", "real_schur", "refit_readout", "replay_accuracy", "rollout", *_LAZY,
]  # fmt: skip


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'schurkit' has no attribute {name!r}")
    module = _LAZY[name]
    value = import_module(f".{name}", __name__) if module is None else getattr(import_module(module, __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
