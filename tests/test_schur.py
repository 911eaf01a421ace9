"""The ordered real Schur form: matrices built from chosen eigenvalues and couplings, invariants
over hard matrices, every message.
"""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from helpers import apart, gauss, messages, orthogonal, refuses
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag

import schurkit.schur.blocks
import schurkit.schur.real
from schurkit.schur import henrici, real_schur
from schurkit.schur.form import SchurOrderWarning


def rotation(size, generator):
    return np.linalg.qr(generator.standard_normal((size, size)))[0]


def pair(modulus, angle, stretch=1.0):
    """A 2x2 block with eigenvalues modulus · exp(±i angle) and |upper| = stretch² |lower|."""
    a, b = modulus * np.cos(angle), modulus * np.sin(angle)
    return np.array([[a, b * stretch], [-b / stretch, a]])


def assemble(blocks, couplings=0.0):
    """Block-diagonal matrix plus everything that `couplings` holds above the blocks."""
    block = np.repeat(np.arange(len(blocks)), [len(one) for one in blocks])
    return block_diag(*blocks) + np.where(block[:, None] < block, couplings, 0)


def _gaussian(n, rng):
    return rng.standard_normal((n, n)) / np.sqrt(n)


def _trained_like(n, rng):
    outer = np.outer(rng.standard_normal(n), rng.standard_normal(n))
    return rotation(n, rng) + 0.1 * _gaussian(n, rng) + outer / n


def _jordan_pairs(n, rng):
    pairs = np.kron(np.eye(n // 2), pair(0.8, 0.7)) + np.eye(n // 2 * 2, k=2)
    return np.pad(pairs, (0, n % 2))


def _similar(kind, mix=_gaussian):
    def build(n, rng):
        S = mix(n, rng)
        return S @ kind(n, rng) @ np.linalg.inv(S)

    return build


KINDS = {
    "gaussian": _gaussian,
    "trained-like": _trained_like,
    "orthogonal": rotation,
    "symmetric": lambda n, rng: (lambda G: G + G.T)(_gaussian(n, rng)),
    "skew": lambda n, rng: (lambda G: G - G.T)(_gaussian(n, rng)),
    "zero": lambda n, rng: np.zeros((n, n)),
    "identity": lambda n, rng: np.eye(n),
    "rank one": lambda n, rng: np.outer(*rng.standard_normal((2, n))),
    "jordan, similar": _similar(lambda n, rng: 0.7 * np.eye(n) + np.eye(n, k=1)),
    "jordan of pairs, similar": _similar(_jordan_pairs),
    "nilpotent": lambda n, rng: np.eye(n, k=1),
    "nilpotent, rotated": _similar(lambda n, rng: np.eye(n, k=1), rotation),
    "repeated, similar": _similar(lambda n, rng: np.diag(rng.choice([1.0, -1.0, 0.5], n))),
    "equal pairs": lambda n, rng: np.kron(np.eye(n), pair(0.9, 0.3, 5.0))[:n, :n],
    "far from normal": lambda n, rng: (
        np.triu(_gaussian(n, rng), 1) + np.diag(1e-9 * rng.standard_normal(n))
    ),
    "graded": lambda n, rng: _gaussian(n, rng) * np.logspace(0, -12, n),
    "small integers": lambda n, rng: rng.integers(-1, 2, (n, n)).astype(float),
}


def made(kind, size, seed=0):
    return KINDS[kind](size, np.random.default_rng(seed))


def frobenius(matrix):
    largest = np.abs(matrix).max(initial=0)
    return largest * np.linalg.norm(matrix / largest) if largest else 0.0


def check_form(form, W):
    size = len(W)
    assert np.linalg.norm(form.Q.T @ form.Q - np.eye(size)) <= 1e-12 * size
    leak = np.broadcast_to(form.leak, size)
    step = np.diag(1 - leak) + leak[:, None] * W
    assert frobenius(step - form.Q @ form.T @ form.Q.T) <= 1e-13 * size * frobenius(step)
    subdiagonal = np.diagonal(form.T, -1) != 0
    assert not np.signbit(form.T[form.T == 0]).any()
    assert not np.tril(form.T, -2).any() and not (subdiagonal[1:] & subdiagonal[:-1]).any()
    end = 0
    for block in form.blocks:
        assert block.start == end
        end += block.size
        assert block.size == (2 if block.start + 1 < size and subdiagonal[block.start] else 1)
        if block.size == 2:
            (a, b), (c, d) = form.T[block.start : end, block.start : end]
            assert a == d and b > 0 > c and b >= -c
        first = form.Q[:, block.start]
        assert first[np.abs(first).argmax()] > 0
    assert end == size


def check_sectors(form):
    norms = form.norms()
    for block in form.blocks:
        cut = form.threshold ** np.mean(form.leak)
        if block.modulus >= cut * form.radius:
            assert block.start < form.n_leading
        elif block.modulus < (cut - 1e-8) * form.radius:  # nearer is a tie
            assert block.start >= form.n_leading
    unit = frobenius(form.T) or 1.0
    squares = {name: (norm / unit) ** 2 for name, norm in norms.items()}
    sums = squares["RR"] + squares["CR"] + squares["CC"], squares["N"] + squares["B"]
    assert sums == pytest.approx((squares["N"], squares["T"]), rel=1e-12, abs=1e-300)
    assert np.array_equal(form.sector("RR") + form.sector("CR") + form.sector("CC"), form.N)
    assert np.array_equal(form.B + form.N, form.T)


def check_order(form):
    assert form.refused == ()
    assert (np.diff(form.moduli) <= 1e-8 * form.radius).all()


# ----------------------------------------------------------------------- recovered from the answer
def test_recovers_chosen_blocks_couplings_and_sectors():
    blocks = [
        pair(1.2, 0.4, 3.0),
        np.array([[1.15]]),
        pair(1.1, 2.0, 1.5),
        np.array([[-0.8]]),
        pair(0.5, 1.0, 2.0),
        np.array([[0.1]]),
    ]
    T, Q = assemble(blocks, gauss(9, 9, seed=1)), orthogonal(9)
    W = Q @ T @ Q.T
    form = real_schur(W)
    sizes = [(block.start, block.size) for block in form.blocks]
    assert sizes == [(0, 2), (2, 1), (3, 2), (5, 1), (6, 2), (8, 1)]
    assert form.moduli == pytest.approx([1.2, 1.15, 1.1, 0.8, 0.5, 0.1], rel=1e-12)
    assert (form.n_leading, form.leading_blocks, form.hidden_size) == (5, 3, 9)
    assert form.radius == pytest.approx(1.2) and form.spectral_radius == pytest.approx(1.2)
    assert form.eigenvalues[:3] == pytest.approx(
        [1.2 * np.exp(0.4j), 1.2 * np.exp(-0.4j), 1.15], rel=1e-12
    )
    N, R, C = T - assemble(blocks), slice(0, 5), slice(5, 9)
    for name, place in {"RR": (R, R), "CR": (R, C), "CC": (C, C)}.items():
        assert form.norms()[name] == pytest.approx(np.linalg.norm(N[place]), rel=1e-12)
    # The form is unique up to signs here, since |upper| > |lower| in every pair: single entries
    # come back too.
    assert np.abs(form.T) == pytest.approx(np.abs(T), abs=1e-12)
    assert sum(form.coupling(i, j) for i, j in form.couplings()) == pytest.approx(form.N)
    assert len(form.couplings()) == 15
    far = np.sqrt(np.linalg.norm(W) ** 2 - (np.abs(np.linalg.eigvals(W)) ** 2).sum())
    assert (henrici(W), form.henrici) == pytest.approx((far, far), rel=1e-10)
    assert henrici(W, relative=True) == pytest.approx(far / np.linalg.norm(W), rel=1e-10)


def test_ties_keep_the_order_of_lapack():
    W = np.diag([0.5, 1.0, -1.0, 1.0])
    W[1, 2], W[2, 3] = 0.25, 0.125
    form = real_schur(W)
    assert np.diag(form.T).tolist() == [1.0, -1.0, 1.0, 0.5]
    assert np.array_equal(np.abs(form.N[:3, :3]), [[0, 0.25, 0], [0, 0, 0.125], [0, 0, 0]])


@pytest.mark.parametrize("own_D", [False, True])
@pytest.mark.parametrize("one_leak", [False, True])
def test_every_network_has_the_form_of_its_own_step_matrix(own_D, one_leak):
    """And a change of T takes its couplings from diag(D) + diag(leak) W_rec alone: D stays."""
    generator = np.random.default_rng(5)
    W, leak = generator.standard_normal((6, 6)), generator.uniform(0.05, 1, 6)
    leak = np.ones(6) if one_leak else leak
    D = generator.uniform(-0.5, 0.9, 6) if own_D else 1 - leak
    form = real_schur(W, leak=1.0 if one_leak else leak, D=D if own_D else None)
    check_order(form)
    assert form.W_rec == pytest.approx(W, abs=1e-11)
    assert form.spectral_radius == pytest.approx(np.abs(np.linalg.eigvals(W)).max())
    assert form.cut == pytest.approx(0.9 ** (1 - D).mean() * form.radius)
    assert form.n_leading == (np.abs(form.eigenvalues) >= form.cut).sum() < 6
    assert form.with_threshold(0.5).cut == pytest.approx(0.5 ** (1 - D).mean() * form.radius)
    for delta_T in (np.zeros((6, 6)), form.sector("CC")):
        step = np.diag(D) + leak[:, None] * (W - form.weights(delta_T))
        assert form.Q.T @ step @ form.Q == pytest.approx(form.T - delta_T, abs=1e-12)


def test_blocks_near_the_cut_are_named():
    form = real_schur(np.diag([1.0, 0.91, 0.899, 0.5]))
    assert form.cut == pytest.approx(0.9) and form.near_cut == (1, 2) and form.n_leading == 2
    leaky = real_schur(np.diag([1.0, 0.9, -0.5]), leak=0.1)
    assert leaky.cut == pytest.approx(0.9**0.1) and real_schur(np.zeros((3, 3))).near_cut == ()
    silent = real_schur(np.zeros((3, 3)))
    assert silent.n_leading == 3 and silent.removed_mass(silent.N) == 0
    assert real_schur(made("orthogonal", 30), 1).n_leading == 30


# ------------------------------------------------------------------- invariants over hard matrices
@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    size=st.sampled_from([1, 2, 3, 8, 65]),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1.0, 1e-200, 1e200]),
    leak=st.sampled_from([1.0, 0.3]),
    threshold=st.sampled_from([0.9, 0.0, 0.5, 1.0]),
)
def test_every_matrix_has_a_sorted_form(kind, size, seed, scale, leak, threshold):
    W = scale * made(kind, size, seed)
    form = real_schur(W, leak=leak).with_threshold(threshold)
    check_form(form, W)
    check_order(form)
    check_sectors(form)
    reordered = form.random_order(3, tie=0.2)
    check_form(reordered, W)
    assert reordered.refused == () and reordered.n_leading == form.n_leading


@pytest.mark.parametrize(
    "kind, size",
    [("trained-like", 257), ("jordan of pairs, similar", 260), ("trained-like", 520)],
)
def test_windows_change_nothing_but_rounding(kind, size, monkeypatch):
    W = made(kind, size)
    sizes, move = [], schurkit.schur.blocks.move_block
    monkeypatch.setattr(
        schurkit.schur.blocks, "move_block", lambda T, *rest: sizes.append(len(T)) or move(T, *rest)
    )
    form = real_schur(W)
    check_form(form, W)
    check_order(form)
    # what makes windows fast: moves in the full matrix are the exception
    assert np.mean(np.array(sizes) == size) < 0.1
    if size == 257:
        monkeypatch.setattr(schurkit.schur.blocks, "WINDOW", 1000)
        plain = real_schur(W)
        assert form.moduli == pytest.approx(plain.moduli, rel=1e-12)
        assert form.norms() == pytest.approx(plain.norms(), rel=1e-9)


def test_a_matrix_of_subnormal_numbers():
    W = np.ldexp(made("gaussian", 6), -1040)
    form = real_schur(W)
    assert apart(form.W_rec, W) <= 1e4 * np.nextafter(0, 1) and form.moduli[0] > 0


def test_a_form_that_lapack_does_not_find_is_an_error(monkeypatch):
    real = schurkit.schur.blocks.dgees
    monkeypatch.setattr(
        schurkit.schur.blocks, "dgees", lambda *given, **how: (*real(*given, **how)[:-1], 3)
    )
    with pytest.raises(np.linalg.LinAlgError, match=r"LAPACK dgees did not converge \(info 3\)"):
        real_schur(np.eye(3))


def test_the_form_cannot_be_written():
    form = real_schur(made("gaussian", 4))
    for array in (form.Q, form.T, form.N, form.B, form.moduli, form.eigenvalues):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(FrozenInstanceError):
        form.threshold = 0.5
    assert repr(form) == (
        f"SchurForm(4 units in {len(form.blocks)} blocks; R: {form.n_leading} units at "
        f"threshold 0.9; radius {form.radius:.4g})"
    )


# --------------------------------------------------------------------- other thresholds and orders
def test_reordered_puts_the_blocks_where_asked():
    W = made("gaussian", 15, 4)
    form = real_schur(W, 0)
    order = np.random.default_rng(0).permutation(len(form.blocks))
    other = form.reordered(order)
    check_form(other, W)
    assert other.moduli == pytest.approx(form.moduli[order], rel=1e-9)
    assert [block.size for block in other.blocks] == [form.blocks[k].size for k in order]
    assert (other.henrici, other.norm_T) == pytest.approx((form.henrici, form.norm_T), rel=1e-12)
    back = other.reordered(np.argsort(order))
    assert back.norms() == pytest.approx(form.norms(), rel=1e-9)


@pytest.mark.parametrize("leak", [1.0, 0.4])
def test_random_orders_keep_what_the_order_cannot_change(leak):
    W = made("trained-like", 40, 6)
    form = real_schur(W, leak=leak)
    changed = 0
    for seed in range(5):
        other = form.random_order(seed, tie=0.03)
        check_form(other, W)
        kept = [(one.n_leading, one.threshold, one.leak) for one in (form, other)]
        assert kept[0] == kept[1]
        assert np.sort(other.moduli) == pytest.approx(np.sort(form.moduli), rel=1e-9)
        assert (other.norm_CR, other.norm_T, other.henrici) == pytest.approx(
            (form.norm_CR, form.norm_T, form.henrici), rel=1e-10
        )
        # Inside a sector, blocks and couplings together are fixed by the subspace; the couplings
        # alone are not.
        for sector in (slice(0, form.n_leading), slice(form.n_leading, None)):
            assert np.linalg.norm(other.T[sector, sector]) == pytest.approx(
                np.linalg.norm(form.T[sector, sector]), rel=1e-10
            )
        changed += abs(other.norms()["RR"] - form.norms()["RR"]) > 1e-6 * form.norms()["RR"]
    assert changed > 0
    assert np.array_equal(form.random_order(2).T, form.random_order(2).T)
    assert not np.array_equal(form.random_order(2).T, form.random_order(3).T)


def test_random_order_stays_within_chained_near_ties():
    T = np.diag([1.0, 0.995, 0.99, 0.985, 0.93, 0.895, 0.89]) + np.triu(np.ones((7, 7)), 1)
    form = real_schur(1e3 * T)  # ties are relative to the radius
    assert form.n_leading == 5
    seen = np.array([np.diag(form.random_order(seed).T) for seed in range(30)]) / 1e3
    assert (
        np.sort(seen[:, :4], axis=1) == pytest.approx(np.array([[0.985, 0.99, 0.995, 1.0]] * 30))
    ) and len(np.unique(seen[:, 0].round(6))) == 4
    assert seen[:, 4] == pytest.approx([0.93] * 30)
    assert len(np.unique(seen[:, 5].round(6))) == 2
    assert form.random_order(0, tie=0).moduli == pytest.approx(form.moduli)


# ---------------------------------------------------------------------------------------- refusals


@pytest.fixture
def refusing(monkeypatch):
    """dtrexc that refuses to bring anything to the first row, and says so only after having moved
    nothing.
    """
    real = schurkit.schur.blocks.dtrexc

    def refuse_row_0(T, Q, source, target, **how):
        return (T, Q, 1) if target == 1 else real(T, Q, source, target, **how)

    monkeypatch.setattr(schurkit.schur.blocks, "dtrexc", refuse_row_0)


def test_a_refused_move_is_reported_and_the_rest_is_sorted(refusing):
    W = np.diag([0.1, 0.2, 0.9, 1.0]) + np.triu(np.ones((4, 4)), 1)
    with pytest.warns(
        SchurOrderWarning,
        match=r"blocks is not exact: LAPACK dtrexc refused to bring the block at row \d \(modulus "
        r"1\) to row 0$",
    ):
        form = real_schur(W)
    assert form.moduli == pytest.approx([0.1, 1.0, 0.9, 0.2]) and len(form.refused) == 1
    assert "1 refused moves" in repr(form)
    check_form(form, W)
    assert form.with_threshold(0.5).n_leading == 0


def test_a_refused_reordering_stops_and_says_so(refusing):
    W = np.diag([1.0, 0.9, 0.2, 0.1]) + np.triu(np.ones((4, 4)), 1)
    form = real_schur(W, 0)
    with pytest.warns(SchurOrderWarning, match="refused to bring the block at row 2 to row 0"):
        other = form.reordered([2, 3, 0, 1])
    assert len(other.refused) == 1 and other.moduli == pytest.approx(form.moduli)
    check_form(other, W)


def test_a_pair_that_splits_on_a_move_is_read_afresh(monkeypatch):
    """Rounding may turn a complex pair with almost equal eigenvalues into two real ones while it
    moves.
    """
    real, split = schurkit.schur.blocks.dtrexc, []

    def dtrexc(T, Q, source, target, **how):
        result = real(T, Q, source, target, **how)
        # Lower entries of 1e-15: dropping one splits its pair at the cost of rounding only.
        for row in np.flatnonzero((np.abs(np.diagonal(T, -1)) < 1e-13) & (np.diagonal(T, -1) != 0)):
            T[row + 1, row] = 0.0
            split.append(row)
        return result

    W = assemble(
        [[[0.3]], [[0.2]], [[0.5, 0.1], [-1e-15, 0.5]], pair(0.9, 1.0), [[0.7]], [[0.8]]], 0.1
    )
    unsplit = real_schur(W, 0)
    assert [block.size for block in unsplit.blocks] == [2, 1, 1, 2, 1, 1]
    monkeypatch.setattr(schurkit.schur.blocks, "dtrexc", dtrexc)
    form = real_schur(W, 0)
    assert split and [block.size for block in form.blocks] == [2, 1, 1, 1, 1, 1, 1]
    check_form(form, W)
    check_order(form)


def test_moduli_that_do_not_settle_are_reported(monkeypatch):
    monkeypatch.setattr(schurkit.schur.blocks, "move_block", lambda T, Q, source, target: True)
    with pytest.warns(SchurOrderWarning, match="would not settle within 30 passes"):
        form = real_schur(np.diag([1.0, 2.0]))
    assert form.moduli.tolist() == [1.0, 2.0]


# ----------------------------------------------------------------------------------------- Henrici
@pytest.mark.parametrize("kind", ["orthogonal", "symmetric", "skew", "zero", "identity"])
@pytest.mark.parametrize("scale", [1.0, 1e-150, 1e150])
def test_henrici_of_normal_matrices_does_not_cancel(kind, scale):
    # sqrt(‖W‖² − Σ|λ|²) itself would leave about 1e-8 here.
    assert henrici(scale * made(kind, 30), relative=True) < 1e-13


# ---------------------------------------------------------------------------------------- messages
W2 = [[1.0, 2.0], [0.0, 0.5]]


@pytest.mark.parametrize("function", [real_schur, henrici])
@pytest.mark.parametrize(
    "W, message",
    [
        (
            np.zeros((64, 32)),
            r"{} needs W_rec of shape \(hidden, hidden\); got \(64, 32\)\. Did you pass W_in\?$",
        ),
        (np.zeros(4), r"{} needs W_rec of shape \(hidden, hidden\); got \(4,\)\.$"),
        (3.0, r"{} needs W_rec of shape \(hidden, hidden\); got \(\)\.$"),
        (
            np.zeros((3, 5, 5)),
            r"{} needs the W_rec of one network, shape \(hidden, hidden\); got a stack of shape "
            r"\(3, 5, 5\)\. Pass W_rec\[i\]\.$",
        ),
        (np.zeros((0, 0)), r"{} needs a W_rec of at least one unit; got shape \(0, 0\)\.$"),
        (
            [[1.0, np.nan], [0.0, 1.0]],
            r"W_rec must be finite; it holds 1 NaN or infinite values, the first at \(0, 1\)",
        ),
        ([[np.inf]], "W_rec must be finite"),
        ([[1j]], "W_rec must be real; got complex numbers"),
        ([["a"]], "W_rec must be an array of real numbers"),
        (
            np.full((2, 2), 1.7e308),
            "{} needs a W_rec whose Frobenius norm a float64 can hold; it exceeds 1.8e308. Scale "
            "it down.",
        ),
    ],
)
def test_wrong_matrices(function, W, message):
    refuses(message.format(function.__name__), function, W)


FORM = real_schur(W2)


test_wrong_arguments = messages(
    (real_schur, W2, 1.5, "threshold must be between 0 and 1; got 1.5"),
    (lambda: real_schur(W2, D=[0.1]), r"D must hold one number a unit, \(2,\); got"),
    (lambda: real_schur(W2, D=[1.5, 0.5]), "D must have a mean below 1.*a mean of 1"),
    (lambda: real_schur(W2, D=[np.nan, 0]), "D must be finite"),
    (lambda: real_schur(W2, leak=0), "leak must be above 0"),
    (FORM.reordered, [0, 2], "each entry of order must be between 0 and 1; got 2"),
    (
        lambda: real_schur(W2, leak=[0.1, 0.2, 0.3]),
        r"leak must be one number, or 2 \(one a unit\)",
    ),
    (FORM.sector, "RC", "sector must be one of 'RR', 'CR', 'CC'; got 'RC'"),
    (
        FORM.coupling,
        1,
        0,
        r"coupling \(i, j\) needs i < j, block i driven from block j; got \(1, 0\)",
    ),
    (FORM.coupling, 0, 2, "block j must be between 0 and 1; got 2"),
    (
        FORM.removed_mass,
        np.zeros((3, 3)),
        r"delta_T must have the shape of T, \(2, 2\); got \(3, 3\)",
    ),
    (
        FORM.reordered,
        [0, 0],
        "order must name each of the 2 blocks once; got 2 entries, 1 distinct",
    ),
    (
        FORM.reordered,
        [1, 0],
        r"order must keep the 1 blocks of R "
        r"first.*form\.with_threshold\(0\)\.reordered\(order\)",
    ),
    (
        lambda: FORM.with_threshold(0).reordered([1, 0]).with_threshold(0.9),
        r"with_threshold\(0\.9\) cannot cut this order: the block at row 1 belongs to R but "
        r"stands behind blocks of C\..*real_schur returned",
    ),
    (FORM.with_threshold, 1.5, "threshold must be between 0 and 1; got 1.5"),
    (FORM.random_order, -1, "seed must be at least 0; got -1"),
)


def test_the_share_of_vectors_in_R_is_that_of_their_leading_coordinates():
    form = real_schur(gauss(9, 9, seed=3), 0.7)
    vectors = np.stack([form.Q[:, 0], form.Q[:, -1], np.zeros(9)])
    assert [form.share_in_R(v) for v in vectors] == pytest.approx([1, 0, 0], abs=1e-12)
    assert form.share_in_R(form.Q.T) == pytest.approx(form.n_leading / 9)
