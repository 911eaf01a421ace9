"""Modular addition in Fourier coordinates: key frequencies, fits, restricted and excluded loss,
frequency ablation.

A network that reads two residues a and b and names a + b mod p may do it by Fourier multiplication
(N. Nanda et al., arXiv:2301.05217; for recurrent networks A. Rangamani, arXiv:2503.22059): with w_k
= 2πk/p, its logits are Σ_k α_k cos w_k(a + b − c) over few key frequencies k.
"""

from .ablation import (
    FrequencyRow,
    ablated_logits,
    frequency_ablation_curve,
    least_rank,
    spectral_share,
    truncate_rank,
    weight_norm,
    without_input_frequencies,
)
from .basis import (
    KEY_SHARE,
    check_count,
    fourier_basis,
    frequencies_needed,
    frequency_energies,
    frequency_rows,
    gini,
    key_frequencies,
    unit_purity,
)
from .measures import (
    LogitModel,
    excluded_logits,
    excluded_loss,
    frequency_part,
    logit_model,
    restricted_logits,
    sum_share,
)
from .mechanism import (
    LEVEL,
    WINDOW,
    WITHIN,
    Course,
    UnitWaves,
    centred_readout,
    course,
    distance_irrelevance,
    pair_spectrum,
    progress,
    stand_ins,
    unit_waves,
)
from .tables import Tables, accuracy, cross_entropy, logits_table, mean_over_sums, sums, tables
