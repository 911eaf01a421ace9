"""Degeneracy: how much networks that solve the same task differ, in behaviour, dynamics, weights
and ablation profile.
"""

from schurkit.intervals import over_pairs as pair_mean

from .dsa import DSA, dsa_distances
from .operators import Operators, delay_operators, hidden_trajectories, operators_of
from .pif import PIF, pif_distances
from .profile import Profiles, profile_distances
from .relation import Relation, relation
from .shapes import Shapes, shape_distances
from .spread import BehaviouralSpread, behavioural_spread
