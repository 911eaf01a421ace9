"""Changes of W_rec in Schur coordinates: removals of couplings, and the controls of equal size
beside them.

W̃ = W_rec − Q ΔT Qᵀ, where ΔT holds the removed couplings; input and readout stay, nothing is
refitted. (Of a leaky network the form is that of the step matrix, and the change is diag(leak)⁻¹ Q
ΔT Qᵀ.) Source: S. Dräger, arXiv:2606.18457, §2; the controls are ours.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from schurkit import random
from schurkit.checks import InputError, integer, one_network, one_of
from schurkit.rnn import RNN
from schurkit.schur import SECTORS, SchurForm, real_schur
from schurkit.schur.blocks import frobenius

SUBSETS = ((), ("RR",), ("CR",), ("CC",), ("RR", "CR"), ("RR", "CC"), ("CR", "CC"), SECTORS)
CONTROLS = ("permuted", "matched", "block-upper", "full")
DECIDING = ("permuted", "matched")
"""The controls by which a removal is read."""
WHAT = {
    "permuted": "Its own entries, shuffled in their place",
    "matched": "Changes of the same strength, elsewhere",
    "block-upper": "Random block-upper changes of the same norm",
    "full": "Random changes of the same norm, anywhere",
}
"""What each control is, in words."""


def name_of(sectors: Sequence[str]) -> str:
    """Label of a removal: "none", "CR", "RR+CC", …"""
    return "+".join(sectors) or "none"


def removal(form: SchurForm, sectors: Sequence[str]) -> np.ndarray:
    """ΔT, (hidden, hidden): the couplings of the named sectors of a form, zero elsewhere."""
    if isinstance(sectors, str):
        raise InputError(
            f"sectors must be a tuple of names, e.g. ('RR', 'CC'); got the string {sectors!r}."
        )
    delta_T = np.zeros_like(form.T)
    for name in sectors:
        delta_T += form.sector(one_of(name, "sector", SECTORS))
    return delta_T


def ablate(
    rnn: RNN, form: SchurForm, removals: Sequence = SUBSETS, labels: Sequence | None = None
) -> RNN:
    """One network without chosen couplings: a stack of labelled variants.

    W̃ = W_rec − Q ΔT Qᵀ; removing nothing gives W_rec bit for bit.

    Parameters
    ----------
    rnn : a stack of one.
    form : the Schur form of its W_rec.
    removals : what to remove in each variant: a tuple of sector names, or ΔT itself, (hidden,
        hidden). By default the eight subsets of {RR, CR, CC}.
    labels : names of the variants; by default the sectors ("none", "RR+CC", …), and the position
        for a ΔT.

    Returns
    -------
    RNN : one variant a removal, in the dtype of `rnn`; W_in, W_out, biases and start unchanged.

    Raises
    ------
    InputError : more than one network, or a form of another matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN, real_schur
    >>> W_rec = np.triu(np.ones((4, 4))) * 0.3
    >>> rnn = RNN(np.ones((4, 1)), W_rec, np.ones((1, 4)))
    >>> ablate(rnn, real_schur(W_rec), [(), ("RR",)]).labels
    ('none', 'RR')
    """
    check_form(rnn, form)
    deltas, names = zip(*named_removals(form, removals))
    labels = names if labels is None else labels
    W_rec = np.stack([rnn.W_rec[0].astype(np.float64) - form.weights(delta) for delta in deltas])
    return rnn.with_W_rec(W_rec.astype(rnn.dtype), labels=labels)


def forms_of(
    networks: RNN, forms: Sequence[SchurForm] | None = None, threshold: float = 0.9
) -> list[SchurForm]:
    """Schur forms, one a network: those given, or made with that threshold."""
    if forms is None:
        D = [None] * len(networks) if networks.D is None else networks.D
        return [
            real_schur(W, threshold, leak=networks.leak, D=d) for W, d in zip(networks.W_rec, D)
        ]
    if len(forms) != len(networks):
        raise InputError(
            f"forms must hold one Schur form a network ({len(networks)}); got {len(forms)}."
        )
    return list(forms)


def check_form(rnn: RNN, form: SchurForm) -> None:
    """Raise InputError unless `rnn` is one network and `form` is a Schur form of its W_rec (to 1e-6
    of its norm).
    """
    one_network(rnn, "an ablation")
    if form.T.shape != rnn.W_rec.shape[1:]:
        raise InputError(
            f"the Schur form is of a matrix of shape {form.T.shape}; the network's W_rec has "
            f"shape {rnn.W_rec.shape[1:]}."
        )
    W_rec = rnn.W_rec[0].astype(np.float64)
    scale = np.abs(W_rec).max()
    if scale > 0 and np.abs(form.W_rec - W_rec).max() > 1e-6 * scale * form.T.shape[0]:
        raise InputError(
            "the Schur form is of another matrix than the network's W_rec: use "
            "real_schur(rnn.W_rec[0])."
        )


def held_in(form: SchurForm, sectors: Sequence[str]) -> tuple[str, ...]:
    """Those of the sectors that hold a coupling: removals are equal where these are."""
    return tuple(name for name in sectors if removal(form, (name,)).any())


def _as_delta(form, removed):
    """ΔT of a removal that is named by its sectors or given as ΔT itself, and its name."""
    if isinstance(removed, (tuple, list, str)) and all(isinstance(name, str) for name in removed):
        return removal(form, removed), name_of(removed)
    return form._change(removed), None


def named_removals(form: SchurForm, removals: Sequence) -> list[tuple[np.ndarray, Hashable]]:
    """ΔT and the label of each removal, a tuple of sector names or ΔT itself: the sectors, or the
    position of a ΔT.
    """
    named = [_as_delta(form, removed) for removed in removals]
    if not named:
        raise InputError("expected at least one removal, ΔT or a tuple of sector names; got none.")
    return [(delta, i if name is None else name) for i, (delta, name) in enumerate(named)]


def control_changes(
    form: SchurForm,
    removed: ArrayLike,
    kind: str,
    draws: int = 20,
    seed: int = 0,
) -> np.ndarray:
    """Random changes of W_rec of the same Frobenius norm (in Schur coordinates) as a removal, to be
    subtracted like it.

    A removal lowers ‖W_rec‖ while a random change of equal norm tends to raise it: part of what a
    control shows may be that.

    Parameters
    ----------
    form : Schur form of the network.
    removed : what is controlled for: a tuple of sector names, or ΔT itself, (hidden, hidden).
    kind : "permuted", the removed entries shuffled within their sector: same place, other entries;
        "matched", the singular values of the removal elsewhere: U diag(σ) Vᵀ with random
        orthonormal U on the rows above and V on the columns right of a random border between
        blocks, so that B is kept (where no border has room for the rank: the largest singular
        values that fit the widest one, scaled to equal norm, see `matched_share`); "block-upper",
        Gaussian couplings anywhere in N; "full", a Gaussian matrix in any position, so that the
        eigenvalues move too.
    draws : number of draws, or which.
    seed : on which the draws depend; and on the sectors that hold a coupling.

    Returns
    -------
    (draws, hidden, hidden) in raw coordinates.
    """
    drawn = drawn_changes(form, removed, kind, draws, seed)
    return np.stack([form.weights(delta_T) for delta_T in drawn])


def drawn_changes(
    form: SchurForm,
    removed,
    kind: str,
    draws: int | Sequence[int] = 20,
    seed: int = 0,
    *,
    name: str | None = None,
) -> Iterator[np.ndarray]:
    """As `control_changes`, one ΔT (hidden, hidden) in Schur coordinates after the other; `name`
    stands for the sectors on which the draws depend.
    """
    one_of(kind, "control", CONTROLS)
    which = range(integer(draws, "draws", at_least=1)) if np.ndim(draws) == 0 else draws
    delta_T, named = _as_delta(form, removed)
    if name is None:
        name = "ΔT" if named is None else name_of(held_in(form, removed))
    draw = {"permuted": permuted, "matched": _matched}.get(kind, gaussian)
    return draw(form, delta_T, kind, which, seed, f"control {kind} {name}")


def gaussian(form, delta_T, kind, which, seed, stream):
    """The draws `which` of a Gaussian change of the norm of ΔT."""
    mask = sum(map(form.sector_mask, SECTORS)) if kind == "block-upper" else 1
    norm = frobenius(delta_T)  # scaled: squares of huge or tiny weights would overflow or vanish
    for draw in which:
        change = random.normal(seed, stream, draw, form.T.shape) * mask
        size = np.linalg.norm(change)
        yield change * (norm / size if size > 0 else 0.0)


def permuted(form, delta_T, kind, which, seed, stream):
    """The draws `which` of the entries of ΔT, shuffled within their sectors."""
    masks = {name: mask for name in SECTORS if delta_T[mask := form.sector_mask(name)].any()}
    entries = {name: delta_T[mask] for name, mask in masks.items()}
    for draw in which:
        change = np.zeros_like(delta_T)
        for name, mask in masks.items():
            order = random.permutation(seed, f"{stream} {name}", draw, entries[name].size)
            change[mask] = entries[name][order]
        yield change


def _matched(form, delta_T, kind, which, seed, stream):
    values, borders, _ = _matched_room(form, delta_T)

    def orthonormal(side, draw, size):
        return random.orthonormal(seed, f"{stream} {side}", draw, (size, len(values)))

    for draw in which:
        change = np.zeros_like(delta_T)
        if len(values):
            picked = random.integers(seed, f"{stream} border", draw, (1,), len(borders))
            above = borders[int(picked[0])]
            V = orthonormal("columns", draw, form.hidden_size - above)
            change[:above, above:] = (orthonormal("rows", draw, above) * values) @ V.T
        yield change


def _matched_room(form, delta_T):
    """The singular values of a matched control, the borders (rows above) that have room for them,
    and their share of the removal's norm.
    """
    values = _singular_values(form, delta_T)
    values = values[values > len(values) * np.finfo(float).eps * values[0]]
    borders = np.array([block.start for block in form.blocks[1:]], dtype=int)
    room = np.minimum(borders, form.hidden_size - borders)
    fits, share = borders[room >= len(values)], 1.0
    if len(values) and not len(fits):
        kept, fits = values[: room.max()], borders[room == room.max()]
        share = frobenius(kept) / frobenius(values)  # scaled, as above
        values = kept / share
    return values, fits, share


_VALUES: WeakKeyDictionary = WeakKeyDictionary()


def _singular_values(form, delta_T):
    """Of a change of a form, computed once for all that ask."""
    known, key = _VALUES.setdefault(form, {}), hash(delta_T.tobytes())
    if key not in known:
        known[key] = np.linalg.svd(delta_T, compute_uv=False)
    return known[key]


def matched_share(form: SchurForm, removed) -> float:
    """The share of a removal's norm that lies in the singular values which its matched control has:
    1 where the rank fits a border.
    """
    return _matched_room(form, _as_delta(form, removed)[0])[2]
