"""Degeneracy: how much networks that solve the same task differ, in behaviour, dynamics, weights
and ablation profile.
"""

from schurkit.intervals import over_pairs as pair_mean

from .behaviour import BehaviouralSpread, behavioural_spread
from .dsa import DSA, dsa_distances
from .operators import Operators, delay_operators, hidden_trajectories, operators_of
from .pif import PIF, pif_distances
from .profile import Profiles, profile_distances
from .spread import Relation, relation

__all__ = [
    "DSA",
    "PIF",
    "BehaviouralSpread",
    "Operators",
    "Profiles",
    "Relation",
    "behavioural_spread",
    "delay_operators",
    "dsa_distances",
    "hidden_trajectories",
    "operators_of",
    "pair_mean",
    "pif_distances",
    "profile_distances",
    "relation",
]
