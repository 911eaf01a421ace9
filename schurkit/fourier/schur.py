"""Do the coordinates of W_rec carry the frequencies of modular addition? Schur planes, singular
planes and Fourier planes of the same network.

A frequency k has a plane in hidden space wherever residues have vectors there: the span of Mᵀ c_k
and Mᵀ s_k for a table M (p, hidden), with c_k and s_k of `schurkit.fourier.fourier_basis`.
`hidden_tables` names four such tables. Whether coordinates of W_rec carry a plane is asked in two
ways: does one plane of the coordinates lie on it (`best_overlap`), and do few leading coordinates
hold it (`leading_share`)? Both are mean squared cosines of principal angles, so that a random
subspace of d of N dimensions holds d/N in the mean.

With two numbers W_rec is used once and the singular vectors, which belong to a map, are the
coordinates to beat; the Schur form belongs to an iteration. Question and measures are our own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schurkit import random
from schurkit.checks import InputError, integer, number, real_array
from schurkit.engine import rollout
from schurkit.rnn import RNN, Trials
from schurkit.rnn.activations import SLOPE
from schurkit.schur import SchurForm, real_schur

from . import frequency_rows, mean_over_sums, sums, tables
from .tables import nats

PLACES = ("read", "written", "state", "readout")
FAMILIES = (
    "Schur",
    "Schur, range alone",
    "Schur, units shuffled",
    "left singular",
    "right singular",
    "random",
)


# -------------------------------------------------------------------------------- tables and planes
def hidden_tables(rnn: RNN) -> dict[str, np.ndarray]:
    """Where residues have vectors in hidden space, in a two-step network: four tables (p, hidden).

    "read" h_1, what W_rec is applied to; "written" W_rec h_1, what it adds to the second step;
    "state" the mean of h_2 over pairs with the same sum; "readout" W_out. W_rec maps the planes of
    "read" onto those of "written".

    Parameters
    ----------
    rnn : one network of two steps, see `schurkit.fourier.tables`.
    """
    table = tables(rnn)
    places = table.h1, table.A, mean_over_sums(table.h2), table.W_out
    return {name: M.astype(np.float64) for name, M in zip(PLACES, places)}


def sum_states(rnn: RNN, trials: Trials) -> np.ndarray:
    """Mean state after t numbers for each running sum: (time, p, hidden), float64.

    Parameters
    ----------
    rnn : one network.
    trials : one-hot numbers (trials, time, p), e.g. of `schurkit.tasks.RunningSum`; each sum must
        occur at each step.
    """
    states = rollout(rnn, trials, states=True).states[0]
    sums_so_far = np.cumsum(trials.inputs.argmax(axis=-1), axis=1) % rnn.input_size
    means = np.zeros((states.shape[1], rnn.input_size, states.shape[2]))
    for t, mean in enumerate(means):
        counts = np.bincount(sums_so_far[:, t], minlength=rnn.input_size)
        if not counts.all():
            raise InputError(
                "sum_states needs trials for each sum; none has the sum "
                f"{int(np.flatnonzero(counts == 0)[0])} at step {t + 1}."
            )
        np.add.at(mean, sums_so_far[:, t], states[:, t])
        mean /= counts[:, None]
    return means


def running_tables(rnn: RNN, trials: Trials) -> dict[str, np.ndarray]:
    """`hidden_tables` of a network that reads any number of numbers: "read" the mean state before
    the last number by the sum so far, "written" what W_rec makes of it, "state" the mean state
    after the last number by its sum, "readout" W_out.

    rnn : one network.
    trials : as for `sum_states`, with at least two numbers each.
    """
    *_, before, after = sum_states(rnn, trials)
    W_rec, W_out = rnn.W_rec[0].astype(np.float64), rnn.W_out[0].astype(np.float64)
    return dict(zip(PLACES, (before, before @ W_rec.T, after, W_out)))


def frequency_planes(table, frequencies) -> np.ndarray:
    """Planes of frequencies in hidden space: orthonormal bases of span(Mᵀ c_k, Mᵀ s_k),
    (frequencies, hidden, 2).

    Parameters
    ----------
    table : (p, hidden) M, a vector for each residue.
    frequencies : whole numbers from 1 to (p − 1)/2.

    Raises
    ------
    InputError : a frequency of which the table holds nothing, or only one direction.

    Examples
    --------
    >>> from schurkit.fourier import fourier_basis
    >>> frequency_planes(fourier_basis(7).T, [2])[0].round(6).any(axis=1).nonzero()[0].tolist()
    [3, 4]
    """
    table = real_array(table, "table", ("p", "hidden"), dtype=np.float64)
    planes = []
    for k in frequencies:
        directions = (frequency_rows(len(table), [k]) @ table).T
        left, sizes, _ = np.linalg.svd(directions, full_matrices=False)
        if not sizes[-1] > 1e-9 * np.linalg.norm(table):
            raise InputError(
                f"frequency {k} has no plane here: the table holds fewer than two directions of it."
            )
        planes.append(left)
    return np.reshape(planes, (-1, table.shape[1], 2))


def column_planes(Q, sizes: Sequence[int] | None = None) -> np.ndarray:
    """Planes of neighbouring columns of an orthogonal matrix: (planes, hidden, 2).

    Parameters
    ----------
    Q : (hidden, columns) orthonormal columns.
    sizes : sizes of its blocks, e.g. of a Schur form: a block of 2 is one plane, never split, and
        blocks of 1 make a plane with a neighbour of 1. By default all blocks are 1: each pair of
        neighbours.
    """
    Q = real_array(Q, "Q", ("hidden", "columns"), dtype=np.float64)
    sizes = [1] * Q.shape[1] if sizes is None else list(sizes)
    for size in sizes:
        integer(size, "block size", at_least=1, at_most=2)
    if sum(sizes) != Q.shape[1]:
        raise InputError(
            f"block sizes must add up to the {Q.shape[1]} columns of Q; got {sum(sizes)}."
        )
    blocks = zip(np.cumsum([0, *sizes[:-1]]), sizes, [*sizes[1:], None])
    starts = [start for start, size, following in blocks if size == 2 or size == following]
    return np.stack([Q[:, start : start + 2] for start in starts])


def haar(hidden: int, seed: int, draw: int = 0) -> np.ndarray:
    """A random orthogonal matrix (hidden, hidden), evenly (Haar) distributed; seed and draw say
    which.
    """
    return random.orthonormal(seed, "haar", draw, (hidden, hidden))


# ----------------------------------------------------------------------------------------- overlaps
def best_overlap(planes, candidates) -> np.ndarray:
    """For each plane the largest overlap with one candidate plane: mean squared cosine of their two
    principal angles, (planes,).

    Parameters
    ----------
    planes : (planes, hidden, 2), candidates : (candidates, hidden, 2), orthonormal columns. The
        largest of many is large by chance as well: compare with as many candidates from `haar`.
    """
    cosines = np.einsum("ahi,bhj->abij", planes, candidates, optimize=True)
    return (np.square(cosines).sum(axis=(2, 3)) / 2).max(axis=1)


def leading_share(planes, Q) -> np.ndarray:
    """How much of each plane the first d columns of Q hold, d = 1 … columns: (planes, columns),
    from 0 to 1.

    Mean squared cosine of the principal angles between the plane and the leading subspace (for d =
    1 of two angles one is π/2).

    Parameters
    ----------
    planes : (planes, hidden, 2) orthonormal columns. Q : (hidden, columns) orthonormal columns, in
        order.
    """
    cosines = np.einsum("ahi,hd->adi", planes, Q, optimize=True)
    return np.cumsum(np.square(cosines).sum(axis=2), axis=1) / 2


def coordinates(
    form: SchurForm, seed: int, draw: int = 0
) -> dict[str, tuple[np.ndarray, list[int] | None]]:
    """The coordinates to compare, each (Q, block sizes): that of W_rec's Schur form and its
    controls, by the names in `FAMILIES`.

    "Schur"; "Schur, range alone": of W_rec O with a random orthogonal O, which keeps the left
    singular vectors and the singular values, and so all that W_rec can write, but reads random
    directions: what low rank alone gives; "Schur, units shuffled": see `shuffled_units`; "left
    singular" and "right singular" vectors of W_rec; "random": `haar`, with the blocks of the Schur
    form.

    Parameters
    ----------
    form : of W_rec.
    seed, draw : of the random controls.
    """
    U, _, Vt = np.linalg.svd(form.W_rec)
    O = haar(form.hidden_size, seed, draw)
    controls = form.W_rec @ O, shuffled_units(form.W_rec, seed, draw)
    forms = [form, *(real_schur(W, form.threshold) for W in controls)]
    sizes = [[block.size for block in one.blocks] for one in forms]
    schur = zip((one.Q for one in forms), sizes)
    return dict(zip(FAMILIES, [*schur, (U, None), (Vt.T, None), (O, sizes[0])]))


def invariance(W, planes) -> np.ndarray:
    """How far a map leaves planes in themselves: ‖P W P‖² / ‖W P‖² with P the projection on each,
    (planes,); 1 invariant, 2/N for random ones.

    Parameters
    ----------
    W : (hidden, hidden).
    planes : (planes, hidden, 2) orthonormal columns.
    """
    image = np.einsum("gh,ahi->agi", W, planes, optimize=True)
    inside = np.einsum("agi,agj->aij", planes, image, optimize=True)
    return np.square(inside).sum(axis=(1, 2)) / np.square(image).sum(axis=(1, 2))


def mean_slopes(rnn: RNN, trials: Trials) -> np.ndarray:
    """Mean slope φ′ of every unit at the last step by the last number, (p, hidden): with relu how
    often it is open. W_rec linearised where the network works is diag(slopes) W_rec.

    rnn : one network in rate form without leak.
    trials : as for `sum_states`; each number must come last somewhere.
    """
    rates = rollout(rnn, trials, states=True).states[0, :, -1].astype(np.float64)
    last = trials.inputs[:, -1].argmax(axis=-1)
    member = (last == np.arange(rnn.input_size)[:, None]).astype(np.float64)
    if not member.any(axis=1).all():
        raise InputError("mean_slopes needs trials that end with each number.")
    return member @ SLOPE[rnn.activation](rates) / member.sum(axis=1, keepdims=True)


def turns(rnn: RNN, slopes, read, state, frequencies) -> np.ndarray:
    """How the units that a number opens turn each frequency's wave on its way through W_rec, less
    w_k b: (frequencies, p) complex, angle and size for each number b.

    With B and B′ the cosine and sine of frequency k in the tables "read" and "state", it is the
    scaled rotation nearest to pinv(B′) diag(slopes[b]) W_rec B, times e^{−i w_k b}. Where that is
    what adds b the angles are alike over b: |mean z/|z|| is 1, and about 1/√p by chance.

    Parameters
    ----------
    rnn : one network.
    slopes : (p, hidden), of `mean_slopes`.
    read, state : (p, hidden) tables of `hidden_tables` or `running_tables`.
    frequencies : whole numbers from 1 to (p − 1)/2.
    """
    found, W_rec, b = [], rnn.W_rec[0].astype(np.float64), np.arange(len(read))
    for k in frequencies:
        rows = frequency_rows(len(read), [k])
        into, out = (rows @ read).T, np.linalg.pinv((rows @ state).T)
        A = np.einsum("iu,bu,uj->bij", out, slopes, W_rec @ into, optimize=True)
        turned = (A[:, 0, 0] + A[:, 1, 1] + 1j * (A[:, 1, 0] - A[:, 0, 1])) / 2
        found.append(turned * np.exp(-2j * np.pi * (k * b % len(read)) / len(read)))
    return np.array(found)


def angle_gaps(eigenvalues, p: int) -> np.ndarray:
    """Distance of each w_k = 2πk/p to the nearest eigenvalue angle |arg λ|: ((p − 1)/2,) radians,
    for k = 1 ….

    A rotation block of frequency k would have an eigenvalue there; compare the key frequencies with
    the others.
    """
    k = np.arange(1, (integer(p, "p", at_least=3) + 1) // 2)[:, None]
    return np.abs(2 * np.pi * k / p - np.abs(np.angle(eigenvalues))).min(axis=1)


# --------------------------------------------------------------- changes of W_rec, and what they do
def amplitudes(rnn: RNN, frequencies) -> np.ndarray:
    """α_k of logits ≈ Σ_k α_k cos w_k(a + b − c), (frequencies,), without forming the logits; equal
    to `schurkit.fourier.logit_model`'s.

    α_k = (2/p³) Σ_{a,b,c} logit(a, b, c) cos w_k(a + b − c), which is linear in h_2: the cosine and
    sine of a + b in h_2 meet those of W_out.

    Parameters
    ----------
    rnn : one two-step network.
    frequencies : whole numbers from 1 to (p − 1)/2.
    """
    table, p = tables(rnn), rnn.input_size
    rows = frequency_rows(p, frequencies)
    by_pair = rows.astype(table.h2.dtype)[:, sums(p).ravel()]
    state = (by_pair @ table.h2.reshape(p * p, -1)).astype(np.float64)
    met = (state * (rows @ table.W_out)).sum(axis=1)
    return met.reshape(-1, 2).sum(axis=1) / p**2


def relative_effects(rnn: RNN, changes, frequencies) -> np.ndarray:
    """(α_k after W_rec − change) / α_k − 1 for each change and frequency: (changes, frequencies).

    Parameters
    ----------
    rnn : one two-step network.
    changes : (changes, hidden, hidden) to be subtracted from W_rec.
    frequencies : its key frequencies.
    """
    intact, W_rec = amplitudes(rnn, frequencies), rnn.W_rec[0].astype(np.float64)
    after = [
        amplitudes(rnn.with_W_rec((W_rec - change)[None].astype(rnn.dtype)), frequencies)
        for change in changes
    ]
    return np.array(after).reshape(-1, len(intact)) / intact - 1


def selectivity(effects) -> np.ndarray:
    """How far a change serves one frequency: max_k |e_k| / Σ_k |e_k|, (changes,); 1 for a single
    frequency, 1/K if all K feel it alike.

    effects : (changes, frequencies), e.g. of `relative_effects`. A change without any effect gives
        NaN.
    """
    sizes = np.abs(real_array(effects, "effects", ("changes", "frequencies"), dtype=np.float64))
    total = sizes.sum(axis=1)
    return np.divide(sizes.max(axis=1), total, out=np.full(len(sizes), np.nan), where=total > 0)


def strongest_couplings(form: SchurForm, count: int) -> list[np.ndarray]:
    """ΔT of the couplings of largest Frobenius norm, the largest first: at most `count` arrays
    (hidden, hidden).
    """
    return [form.coupling(*pair) for pair in form.strongest(integer(count, "count", at_least=1))]


def singular_change(W_rec, mass: float, seed: int, draw: int = 0) -> np.ndarray:
    """Singular components of W_rec in random order, up to ‖change‖_F = mass · ‖W_rec‖_F; the last
    one in part.

    A removal that belongs to the matrix, like that of couplings, and picks without regard to size:
    between "svd" of `schurkit.ablation.rivals`, which takes the smallest first and so does least
    harm, and a random change, which removes nothing of the matrix.

    Parameters
    ----------
    W_rec : (hidden, hidden).
    mass : share of the Frobenius norm, from 0 to 1.
    seed, draw : of the order.
    """
    W_rec = real_array(W_rec, "W_rec", ("hidden", "hidden"), dtype=np.float64)
    U, s, Vt = np.linalg.svd(W_rec)
    order = random.permutation(seed, "singular components in random order", draw, len(s))
    squares = np.square(s[order])
    before = np.cumsum(squares) - squares
    left = number(mass, "mass", at_least=0, at_most=1) ** 2 * np.square(s).sum() - before
    return (U[:, order] * np.sqrt(np.clip(left, 0, squares))) @ Vt[order]


def shuffled_units(W_rec, seed: int, draw: int = 0) -> np.ndarray:
    """P W_rec Pᵀ with a random permutation of the units: the same spectrum, singular values and
    Schur form, in units of no meaning here.
    """
    order = random.permutation(seed, "units in random order", draw, len(W_rec))
    return np.asarray(W_rec)[np.ix_(order, order)]


def class_scores(outputs, trials: Trials, intact) -> dict[str, np.ndarray]:
    """How well a stack names classes, each (networks,): "accuracy", "cross_entropy" in nats, and
    "fve".

    FVE is the fraction of the variance of the intact logits over classes that is still there, 1 −
    ‖change‖²/‖intact‖², with each trial's mean over classes taken away, which softmax ignores;
    below 0 where the change is larger than what there was.

    Parameters
    ----------
    outputs : (networks, trials, time, class) logits.
    trials : with one-hot targets; masked steps do not count.
    intact : logits of the intact network, (trials, time, class).
    """
    mask = trials.counted
    target = trials.targets.argmax(axis=-1)[mask]
    intact = _centred(np.asarray(intact)[mask])
    scores = []
    for logits in outputs:
        logits = _centred(logits[mask])
        left = 1 - np.square(logits - intact).sum() / np.square(intact).sum()
        hits = (logits.argmax(axis=1) == target).mean()
        scores.append((hits, nats(logits, target), left))
    return dict(zip(("accuracy", "cross_entropy", "fve"), np.transpose(scores)))


def _centred(logits):
    logits = logits.astype(np.float64)
    return logits - logits.mean(axis=1, keepdims=True)
