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
from .gauge import Gauge, at_amplitude, gauge, without_CR
from .profile import LEAST_MASS, Profile, ablation_profile
from .readings import HARMLESS, MEANING, NEARLY_EMPTY, READINGS, Removal
from .rollouts import OUTPUT_BYTES, measure, refit_readout, switched
from .sweeps import SINGLE, curves, dose_sweep, gap_forms, order_sweep, threshold_sweep

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
    "Gauge",
    "Profile",
    "Removal",
    "ablate",
    "ablation_profile",
    "at_amplitude",
    "check_form",
    "control_changes",
    "costliest",
    "curves",
    "dose_sweep",
    "drawn_changes",
    "farther",
    "gap_forms",
    "gauge",
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
    "without_CR",
]
