"""Ablations in Schur coordinates: remove couplings, keep input and readout, and measure what
changes, beside changes of the same size.
"""

from .changes import (
    CONTROLS,
    DECIDING,
    SUBSETS,
    WHAT,
    ablate,
    check_form,
    control_changes,
    drawn_changes,
    held_in,
    matched_share,
    name_of,
    removal,
)
from .compare import costliest, farther, least_worst
from .profile import LEAST_MASS, Profile, ablation_profile
from .readings import HARMLESS, MEANING, NEARLY_EMPTY, READINGS, Removal
from .rollouts import OUTPUT_BYTES, measure, refit_readout, switched
from .sweeps import SINGLE, curves, dose_sweep, order_sweep, threshold_sweep

__all__ = [
    "CONTROLS",
    "DECIDING",
    "HARMLESS",
    "LEAST_MASS",
    "MEANING",
    "NEARLY_EMPTY",
    "OUTPUT_BYTES",
    "READINGS",
    "SINGLE",
    "SUBSETS",
    "WHAT",
    "Profile",
    "Removal",
    "ablate",
    "ablation_profile",
    "check_form",
    "control_changes",
    "costliest",
    "curves",
    "dose_sweep",
    "drawn_changes",
    "farther",
    "held_in",
    "least_worst",
    "matched_share",
    "measure",
    "name_of",
    "order_sweep",
    "refit_readout",
    "removal",
    "switched",
    "threshold_sweep",
]
