"""How far couplings let activity grow, beside matrices with the same blocks and the same coupling
norm; the measures are `schurkit.schur.nonnormality`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schurkit import random
from schurkit.ablation import SINGLE, Profile
from schurkit.ablation.changes import gaussian
from schurkit.ablation.profile import profile_of
from schurkit.checks import integer
from schurkit.metrics import Metric
from schurkit.schur import SECTORS, SchurForm
from schurkit.schur.nonnormality import powers


def random_couplings(form: SchurForm, seed: int, draw: int = 0) -> np.ndarray:
    """T of the same blocks with Gaussian couplings of the same norm, (hidden, hidden): B + N. Modes
    drive each other in no order.

    Parameters
    ----------
    form : of the network that is compared.
    seed, draw : of the random numbers.
    """
    return form.B + next(gaussian(form, form.N, "block-upper", [draw], seed, "couplings"))


def random_modes(form: SchurForm, seed: int, draw: int = 0) -> np.ndarray:
    """T of the same blocks in a random basis, (hidden, hidden): X B X⁻¹ with X = I + s U, U
    Gaussian above the blocks, s for the same coupling norm.

    Its couplings are those of a change of basis and nothing else: its powers grow by no more than
    the condition number of X times those of B.

    Parameters
    ----------
    form, seed, draw : as for `random_couplings`.
    """
    from scipy.optimize import brentq  # slow to import

    above = sum(form.sector_mask(name) for name in SECTORS)
    U = above * random.normal(seed, "modes", draw, form.T.shape)

    def couplings(s):
        X = np.eye(form.hidden_size) + s * U
        return above * (X @ form.B @ np.linalg.inv(X))

    def excess(s):
        return np.linalg.norm(couplings(s)) - form.norm_N

    high = 1e-3
    while U.any() and excess(high) < 0:
        high *= 1.5
    if not (form.norm_N and U.any()):
        return np.array(form.B)
    return form.B + couplings(brentq(excess, 0, high))


def return_error(form: SchurForm, T, period: int) -> float:
    """How far R is from coming back after one period: ‖(T_R / ρ)^period − I‖_F / √n_R; 0 for a
    perfect return, 1.4 for unrelated rotations.

    Parameters
    ----------
    form : says which units are in R, and ρ. T : (hidden, hidden), the form's own or one with the
        same blocks.
    period : in steps.
    """
    n = form.n_leading
    turned = np.linalg.matrix_power(T[:n, :n] / form.radius, integer(period, "period", at_least=1))
    return float(np.linalg.norm(turned - np.eye(n)) / np.sqrt(n))


def growth_profile(
    forms: Sequence[SchurForm],
    steps: int,
    *,
    controls: Sequence[str],
    draws: int,
    seeds: Sequence[int],
    labels: Sequence,
) -> Profile:
    """What removing each sector does to the largest growth max_k ‖Tᵏ‖ / ρᵏ, k ≤ steps, beside
    changes of equal norm: in powers of ten.

    Parameters
    ----------
    forms : one a network.
    steps : the largest power.
    controls, draws : as in `schurkit.ablation_profile`.
    seeds : of the controls, one a network.
    labels : of the networks.
    """
    metric = Metric("log₁₀ growth", None, "lower")

    def one(form, seed, label):
        step, leak = form.Q @ form.T @ form.Q.T, np.reshape(form.leak, (-1, 1))

        def run(changes, dtype=None):
            grown = (powers((step + leak * change) / form.radius, steps) for change in changes)
            return np.array([np.log10(each.max()) for each in grown])

        return profile_of(form, (label,), SINGLE, metric, None, controls, draws, seed, run)

    return Profile.stack([one(*each) for each in zip(forms, seeds, labels)])
