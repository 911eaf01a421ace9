"""Linear operators of hidden trajectories: delay embedding and reduced-rank DMD, through the Gram
matrix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import eigsh

from schurkit import random
from schurkit.checks import InputError, integer, read_only, real_array
from schurkit.engine import rollout
from schurkit.engine.numpy import one_blas_thread
from schurkit.rnn import RNN, Trials

LEAST_SHARE = 1e-12
"""A direction whose variance is below this share of the largest is rounding noise."""
_DENSE = 500
"""Up to this size all of the Gram matrix is diagonalised; above it, the leading directions alone.
"""


@dataclass(frozen=True, eq=False)
class Operators:
    """Next-step operators of a stack of networks.

    values : (networks, rank, rank), float64: v_t+1 ≈ A v_t in each network's own leading
        coordinates.
    delays : copies of the state in the embedding, 1 for none.
    labels : one name a network.
    inputs : digest of the inputs that drove them; "" where unknown.
    """

    values: np.ndarray
    delays: int
    labels: tuple[Hashable, ...] | None = None
    inputs: str = ""

    def __post_init__(self):
        values = real_array(
            self.values, "operators", ("networks", "rank", "rank"), dtype=np.float64
        )
        integer(self.delays, "delays", at_least=1)
        labels = tuple(range(len(values))) if self.labels is None else tuple(self.labels)
        if len(labels) != len(values):
            raise InputError(
                f"labels must name each of the {len(values)} networks; got {len(labels)}."
            )
        object.__setattr__(self, "values", read_only(values))
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def rank(self) -> int:
        return self.values.shape[1]

    @classmethod
    def join(cls, parts: Sequence[Operators]) -> Operators:
        """The operators of several stacks (other widths, say) as one.

        Raises
        ------
        InputError : ranks or delays differ, or the networks were not driven by the same inputs.
        """
        parts = list(parts)
        if not parts:
            raise InputError("Operators.join needs at least one stack; got none.")
        for name in ("rank", "delays"):
            values = [getattr(part, name) for part in parts]
            if len(set(values)) > 1:
                raise InputError(
                    f"Operators.join needs equal {name}; got {', '.join(map(str, values))}."
                )
        if len({part.inputs for part in parts}) > 1:
            raise InputError(
                "the networks were not driven by the same inputs: their dynamics cannot be "
                "compared. Use one set of trials for all."
            )
        values = np.concatenate([part.values for part in parts])
        labels = [label for part in parts for label in part.labels]
        return replace(parts[0], values=values, labels=labels)


def hidden_trajectories(rnn: RNN, trials: Trials) -> np.ndarray:
    """Hidden states of a stack on trials that all networks share, (networks, trials, time, units).

    Raises
    ------
    InputError : the trials differ between networks, or a network diverged.
    """
    inputs = trials if trials.networks is None else _common_inputs(trials)
    states = rollout(rnn, inputs, autonomous=trials.autonomous, states=True).states
    for label, state in zip(rnn.labels, states):
        if not np.isfinite(state).all():
            raise InputError(
                f"network {label!r} diverged on these trials: it has no trajectories to compare. "
                "Leave it out."
            )
    return states


def _common_inputs(trials: Trials) -> np.ndarray:
    if trials.networks is None:
        return trials.inputs
    if not (trials.inputs == trials.inputs[:1]).all():
        raise InputError(
            "the networks must be driven by the same inputs; these trials differ between "
            "networks. Use task.test_trials()."
        )
    return trials.inputs[0]


def operators_of(rnn: RNN, trials: Trials, *, rank: int, delays: int) -> Operators:
    """`delay_operators` of the `hidden_trajectories` of a stack, with a digest of the inputs that
    drove it.
    """
    states, inputs = hidden_trajectories(rnn, trials), _common_inputs(trials)
    driven = repr((inputs.shape, trials.autonomous)).encode() + inputs.astype(np.float64).tobytes()
    found = delay_operators(states, rank=rank, delays=delays)
    return replace(found, labels=rnn.labels, inputs=hashlib.sha256(driven).hexdigest())


def delay_operators(trajectories, *, rank: int, delays: int) -> Operators:
    """Reduced-rank DMD of delay-embedded trajectories, one operator a network.

    With z_t = (h_t, h_t−1, …, h_t−delays+1), Z the matrix of all z_t (a row a trial and time step)
    and Z ≈ V S Uᵀ its leading `rank` directions, A = argmin Σ ‖v_t+1 − A v_t‖² over successive
    steps of the same trial. U and S come from the Gram matrix ZᵀZ, which is built from products of
    h alone: neither Z nor its singular value decomposition is formed. Nothing is centred.

    Parameters
    ----------
    trajectories : (networks, trials, time, units), or a sequence of (trials, time, units) whose
        units may differ. The networks must have been driven by the same inputs (`operators_of` sees
        to that).
    rank : number of leading directions.
    delays : copies of the state, 1 for none; delays < time.

    Returns
    -------
    Operators. Rotating the hidden space, or permuting units, changes A by an orthogonal similarity
    at most.

    Raises
    ------
    InputError : too few steps for the delays, or trajectories that hold fewer than `rank`
        directions.

    Examples
    --------
    >>> import numpy as np
    >>> turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> path = np.stack([np.linalg.matrix_power(turn, t) @ [1.0, 0.0] for t in range(9)])
    >>> delay_operators(path[None, None], rank=2, delays=1).values.round(6)[0].trace().item()
    0.0

    Source: the embedding and regression of DSA (Ostrow et al., NeurIPS 2023, §3.1); the route
    through the Gram matrix is ours.
    """
    states = same_trials(trajectories)
    trials, time = states[0].shape[:2]
    integer(delays, "delays", at_least=1)
    integer(rank, "rank", at_least=1)
    if time - delays < 1 or trials * (time - delays) < rank:
        raise InputError(
            f"{trials} trials of {time} steps are too short for {delays} delays and rank {rank}: "
            f"{trials * max(0, time - delays)} transitions."
        )
    # Small matrices: more threads wait for each other longer than they compute
    with one_blas_thread():
        operators = [_operator(one, rank, delays, i) for i, one in enumerate(states)]
    return Operators(np.stack(operators), delays)


def same_trials(trajectories) -> list[np.ndarray]:
    """(trials, time, units) of each network, checked: of at least one, on the same trials."""
    if isinstance(trajectories, np.ndarray) and trajectories.ndim != 4:
        raise InputError(
            "trajectories must have axes (networks, trials, time, units); got shape "
            f"{trajectories.shape}."
        )
    states = [real_array(one, "trajectories", ("trials", "time", "units")) for one in trajectories]
    if not states:
        raise InputError("expected the trajectories of at least one network; got none.")
    for one in states:
        if one.shape[:2] != states[0].shape[:2]:
            raise InputError(
                "all networks must have run the same trials; got (trials, time) "
                f"{states[0].shape[:2]} and {one.shape[:2]}."
            )
    return states


def _operator(states, rank, delays, which):
    h = states.astype(np.float64)
    units = h.shape[2]
    if rank > units * delays:
        raise InputError(
            f"rank {rank} is more than the {units * delays} dimensions of {units} units with "
            f"{delays} delays."
        )
    peak = np.abs(h).max()
    variances, directions = _leading(embedded_gram(h / peak if peak > 0 else h, delays), rank)
    held = int((variances > LEAST_SHARE * variances[0]).sum()) if variances[0] > 0 else 0
    if held < rank:
        raise InputError(
            f"rank {rank} asks for more directions than the trajectories of network {which} hold "
            f"above rounding: {held}. Lower rank."
        )
    whiten = directions / (np.sqrt(variances) * peak)
    steps = h.shape[1] - delays + 1
    v = sum(
        h[:, delays - 1 - k : delays - 1 - k + steps] @ whiten[k * units : (k + 1) * units]
        for k in range(delays)
    )
    before, after = v[:, :-1].reshape(-1, rank), v[:, 1:].reshape(-1, rank)
    return np.linalg.lstsq(before, after, rcond=None)[0].T


def embedded_gram(h: np.ndarray, delays: int) -> np.ndarray:
    """ZᵀZ of the delay embedding of trajectories (trials, time, units), (delays · units, delays ·
    units).

    Block (k, l) is Σ_t h_t−k h_t−lᵀ. Blocks of one diagonal differ by the first and last steps
    only, so `delays` long products do.
    """
    time, units = h.shape[1:]
    gram = np.empty((delays, units, delays, units))
    last = h[:, delays - 1 :].reshape(-1, units)
    for gap in range(delays):
        block = last.T @ h[:, delays - 1 - gap : time - gap].reshape(-1, units)
        for k in range(delays - gap):
            gram[k, :, k + gap], gram[k + gap, :, k] = block, block.T
            if k + gap + 1 < delays:
                enters = h[:, delays - 2 - k].T @ h[:, delays - 2 - k - gap]
                leaves = h[:, time - 1 - k].T @ h[:, time - 1 - k - gap]
                block = block + enters - leaves
    return gram.reshape(delays * units, delays * units)


def _leading(gram, rank):
    """Largest eigenvalues, nonincreasing, and their eigenvectors."""
    size = len(gram)
    if size <= _DENSE or 2 * rank >= size:
        values, vectors = eigh(gram, subset_by_index=(size - rank, size - 1))
    else:
        start = random.normal(0, "leading directions", 0, size)
        values, vectors = eigsh(gram, k=rank, v0=start, tol=0)
        order = np.argsort(values)
        values, vectors = values[order], vectors[:, order]
    return values[::-1], vectors[:, ::-1]
