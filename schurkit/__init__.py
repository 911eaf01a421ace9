"""schurkit: what can a trained recurrent network lose and still do its task?

Ordered real Schur coordinates of a recurrent matrix, ablations with controls, and the training
behind the book. Public names load on first use, so that importing schurkit is immediate.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "ablation": [
        "Profile",
        "ablate",
        "ablation_profile",
        "control_changes",
        "measure",
        "order_sweep",
        "refit_readout",
        "threshold_sweep",
    ],
    "ablation.couplings": ["coupling_map", "rank_agreement"],
    "checks": ["InputError"],
    "degeneracy": ["behavioural_spread", "dsa_distances", "pif_distances"],
    "engine": ["rollout"],
    "explorer": ["explore"],
    "intervals": ["Interval", "interval", "over_networks", "over_pairs", "ratio", "share"],
    "metrics": ["Metric", "fvu", "replay_accuracy"],
    "own": [
        "analyze",
        "check_against",
        "constraint_report",
        "from_arrays",
        "from_callable",
        "from_module",
        "from_neurogym",
        "from_torch",
        "load_rnn",
        "load_trials",
    ],
    "rnn": ["RNN", "Rollout", "Trials"],
    "schur": ["SchurForm", "henrici", "real_schur"],
    "training": ["Recipe", "train"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [*sorted(_HOME_OF), "tasks"]


def __getattr__(name: str):
    if name == "tasks":
        return import_module(".tasks", __name__)
    if name not in _HOME_OF:
        raise AttributeError(f"module 'schurkit' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
