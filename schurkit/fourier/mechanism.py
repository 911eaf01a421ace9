"""How such a network adds: the waves of its units, the law that binds their phases, clock or pizza,
and when a network in training may be read.

A unit with h_2 = φ(A[a] + X[b]), both waves of frequency w, holds cos(w(a + b) + phase(A) +
phase(X)); where it is read out as cos(w c + phase(W_out)) with phase(W_out) = phase(A) + phase(X),
the sum over units with all phases is a wave cos w(a + b − c).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from schurkit import random
from schurkit.checks import InputError
from schurkit.rnn import RNN

from .ablation import weight_norm
from .basis import (
    KEY_SHARE,
    fourier_basis,
    frequency_energies,
    frequency_rows,
    gini,
    key_frequencies,
)
from .measures import excluded_loss, logit_model, restricted_logits
from .tables import (
    Tables,
    accuracy,
    check_table,
    logits_table,
    mean_over_sums,
    sums,
    tables,
)

LEVEL, WINDOW, WITHIN = 0.99, 600, 0.01
"""Of `Course`: accuracy from which a task is solved, steps looked back, how far M1 may move."""


@dataclass(frozen=True, eq=False)
class UnitWaves:
    """Each unit of a two-step network as waves of one frequency; made by `unit_waves`.

    frequency : (units,) the frequency w that holds most of the unit's energy in X.
    fve : (units,) fraction of the variance of h_2 over all pairs that nine products, 1, cos and sin
        of w a times 1, cos and sin of w b, explain; NaN for a unit that does not vary.
    first, second, readout : (units,) complex amplitudes z at that frequency of A, X and W_out, so
        that A[a] holds Re(z exp(i w a)).
    """

    frequency: np.ndarray
    fve: np.ndarray
    first: np.ndarray
    second: np.ndarray
    readout: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """(units,) phase(A) + phase(X) − phase(W_out), in (−π, π]."""
        return np.angle(self.first * self.second * self.readout.conj())

    @property
    def weight(self) -> np.ndarray:
        """(units,) product of the three amplitudes: how much of the output hangs on a unit."""
        return np.abs(self.first * self.second * self.readout)

    @property
    def resultant(self) -> float:
        """Mean of cos(gap) over units by their weight: 1 where the phase law holds for all, about 0
        for phases that know nothing of each other.
        """
        return float((self.weight * np.cos(self.gap)).sum() / self.weight.sum())

    def exchanged(self, seed: int, draw: int = 0) -> UnitWaves:
        """The same with readouts exchanged at random among the units of each frequency: a control
        of the phase law.
        """
        order = np.arange(len(self.frequency))
        for k in np.unique(self.frequency):
            mine = np.flatnonzero(self.frequency == k)
            order[mine] = mine[random.permutation(seed, f"exchanged {k}", draw, len(mine))]
        return replace(self, readout=self.readout[order])


def unit_waves(table: Tables) -> UnitWaves:
    """The waves of each unit of a two-step network; see `UnitWaves`.

    Parameters
    ----------
    table : of one network, from `tables`.

    Raises
    ------
    InputError : a network without any wave.

    Source: ours; for transformers N. Nanda et al., arXiv:2301.05217, §4.2, and A. Gromov,
    arXiv:2301.02679, for the phases.
    """
    p, n = table.p, table.X.shape[1]
    parts = [_amplitudes(M.astype(np.float64)) for M in (table.A, table.X, table.W_out)]
    frequency = np.abs(parts[1]).argmax(axis=0) + 1
    first, second, readout = (part[frequency - 1, np.arange(n)] for part in parts)
    if not (np.abs(first * second * readout) > 0).any():
        raise InputError("unit_waves is undefined: no unit carries a wave from input to output.")
    fve = np.full(n, np.nan)
    for k in np.unique(frequency):
        mine = frequency == k
        h2 = table.h2[:, :, mine].astype(np.float64)
        h2 -= h2.mean(axis=(0, 1))
        rows = np.concatenate([fourier_basis(p)[:1], frequency_rows(p, [k])])
        held = np.einsum("xa,abj,yb->xyj", rows, h2, rows, optimize=True)
        total = np.square(h2).sum(axis=(0, 1))
        fve[mine] = np.square(held).sum(axis=(0, 1)) / np.where(total > 0, total, np.nan)
    return UnitWaves(frequency, fve, first, second, readout)


def _amplitudes(table: np.ndarray) -> np.ndarray:
    """(frequencies, columns) z with the wave Re(z exp(2πi k a/p)) of each column."""
    return 2 / len(table) * np.fft.fft(table, axis=0)[1 : (len(table) + 1) // 2]


def pair_spectrum(values) -> np.ndarray:
    """Share of the energy of a table over pairs in each pair of frequencies of a and of b, 0 the
    constant: ((p + 1)/2, (p + 1)/2). A function of a + b has equal frequencies.

    values : (p, p, columns), e.g. logits.
    """
    values = check_table(values).astype(np.float64)
    F = fourier_basis(len(values))
    squares = np.square(np.einsum("xa,abc,yb->xyc", F, values, F, optimize=True)).sum(axis=2)
    starts = np.r_[0, np.arange(1, len(values), 2)]
    blocks = np.add.reduceat(np.add.reduceat(squares, starts, axis=0), starts, axis=1)
    return blocks / blocks.sum()


def distance_irrelevance(logits) -> float:
    """How little the right answer's logit depends on a − b: the mean over differences of its
    standard deviation at one difference, over its standard deviation on all pairs. Near 1 for a
    clock, whose waves are products; 0 for a pizza, whose logits carry a factor |cos w(a − b)/2|.

    logits : (p, p, p) indexed [a, b, class].

    Source: Z. Zhong et al., The Clock and the Pizza, arXiv:2306.17844, §4.
    """
    logits = check_table(logits)
    p = len(logits)
    a, b = np.indices((p, p))
    right = (logits[a, b, sums(p)] - logits.mean(axis=2)).astype(np.float64)
    if not right.std() > 1e-9 * np.abs(logits).max():
        raise InputError("distance_irrelevance is undefined: the right logit is always the same.")
    by_difference = right[a, (a + b) % p]  # [a, d]: the pair (a, a + d)
    return float(by_difference.std(axis=0).mean() / right.std())


def stand_ins(p: int, frequencies) -> dict[str, np.ndarray]:
    """Logits of three networks that add and that are known exactly, (p, p, p) each: a clock, Σ cos
    w(a + b − c); a pizza, Σ |cos w(a − b)/2| cos w(a + b − c); a look-up table of all answers.

    Parameters
    ----------
    p : odd modulus.
    frequencies : of clock and pizza.

    Notes
    -----
    The waves of a clock explain a pizza to (2/π)² / (1/2) = 8/π² = .811, and a table to the share
    of the frequencies taken.
    """
    rows = frequency_rows(p, frequencies).reshape(-1, 2, p) * np.sqrt(p / 2)
    wave = np.einsum("kxs,kxc->ksc", rows, rows)  # cos w(s − c)
    # cos w(a − b)/2 up to its sign: half of w is that of (p + 1)/2 times the frequency
    tilt = np.abs(np.einsum("kxa,kxb->kab", *[_halved(p, frequencies)] * 2))
    index = sums(p)
    clock, pizza = wave.sum(axis=0)[index], np.einsum("kab,kabc->abc", tilt, wave[:, index])
    return {"clock": clock, "pizza": pizza, "look-up table": np.eye(p)[index]}


def _halved(p: int, frequencies) -> np.ndarray:
    angle = np.pi * np.multiply.outer(np.asarray(frequencies), np.arange(p)) / p
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def centred_readout(rnn: RNN) -> RNN:
    """The stack with W_out and b_out less their mean over classes: every output of a pair moves by
    the same amount, which softmax ignores. Ranks and spectra are read in this gauge.
    """
    W, b = rnn.W_out.astype(np.float64), rnn.b_out.astype(np.float64)
    W, b = W - W.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    return replace(rnn, W_out=W.astype(rnn.dtype), b_out=b.astype(rnn.dtype))


@dataclass(frozen=True, eq=False)
class Course:
    """One network in training; made by `course`.

    steps : (steps,) increasing.
    seen, unseen : (steps,) accuracy on training pairs and on the others.
    fve : (steps,) M1, see `logit_model`; NaN where `settled` does not ask for it.
    keys : (steps,) key frequencies, as sets.
    """

    steps: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray
    fve: np.ndarray
    keys: tuple[frozenset, ...]

    @property
    def solved(self) -> int | None:
        """The first step with an accuracy of `LEVEL` on unseen pairs; None if there is none."""
        found = np.flatnonzero(self.unseen >= LEVEL)
        return int(self.steps[found[0]]) if len(found) else None

    @property
    def settled(self) -> int | None:
        """When the network may be read: from twice `solved` on, the first step at which over the
        last `WINDOW` steps M1 moved less than `WITHIN` and the set of key frequencies stayed the
        same. None where there is no such step: the network has not settled.
        """
        for end in self.steps[self.steps >= 2 * self.solved] if self.solved else ():
            back = np.flatnonzero((self.steps >= end - WINDOW) & (self.steps <= end))
            same = len({self.keys[i] for i in back}) == 1
            whole = self.steps[back[0]] == end - WINDOW and len(back) > 2
            if whole and same and np.ptp(self.fve[back]) < WITHIN:
                return int(end)
        return None


def course(networks: Mapping[int, RNN], seen, unseen, threshold: float = KEY_SHARE) -> Course:
    """How a two-step network comes to add.

    Parameters
    ----------
    networks : step of training → the network then. For `Course.settled` some must stand evenly,
        several in `WINDOW` steps.
    seen, unseen : (pairs, 2) those of training and the others.
    threshold : of `key_frequencies`.
    """
    steps, rows, keys = np.array(sorted(networks)), [], []
    for step in steps:
        table = tables(networks[int(step)])
        rows.append([accuracy(table.logits, pairs) for pairs in (seen, unseen)] + [np.nan])
        keys.append(frozenset(key_frequencies(table.X, threshold).tolist()))
    found = Course(steps, *np.array(rows).T, tuple(keys))
    if found.solved:
        for i in np.flatnonzero(steps >= 2 * found.solved - WINDOW):
            logits = logits_table(networks[int(steps[i])])
            found.fve[i] = logit_model(logits, sorted(keys[i])).fve
    return found


def progress(
    networks: Mapping[int, RNN], seen, unseen, frequencies, others
) -> dict[str, np.ndarray]:
    """The progress measures of one network in training, a column each: seed and step; accuracy on
    "training" and "unseen" pairs; on unseen pairs with the given frequencies alone ("keys alone")
    and with others ("random alone"), read from unseen pairs, as `restricted_logits` tells why;
    "excluded loss" on training pairs, without the frequencies; "Gini" of the energies of X; "norm",
    Σ w² of the matrices.

    Parameters
    ----------
    networks : step of training → the network then.
    seen, unseen : (pairs, 2) those of training and the others.
    frequencies, others : the keys at the end, and the control.

    Source: N. Nanda et al., arXiv:2301.05217, §5.
    """
    rows = []
    for step in sorted(networks):
        table = tables(networks[step])
        means = mean_over_sums(table.logits, unseen)
        row = {"seed": networks[step].labels[0], "step": step}
        for name, pairs in (("training", seen), ("unseen", unseen)):
            row[name] = accuracy(table.logits, pairs)
        for name, kept in (("keys alone", frequencies), ("random alone", others)):
            row[name] = accuracy(restricted_logits(means, kept), unseen)
        row["excluded loss"] = excluded_loss(table.logits, frequencies, seen)
        row |= {"Gini": gini(frequency_energies(table.X)), "norm": weight_norm(table.rnn)[0]}
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}
