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
