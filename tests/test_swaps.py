"""Compiled ordering of Schur forms: the same forms as through LAPACK, from chosen blocks and on
hard matrices, and what happens without it.
"""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from test_schur import KINDS, REFUSED, assemble, check_form, check_order, pair, rotation

from schurkit.schur import blocks, real_schur
from schurkit.schur.form import SchurOrderWarning

numba = pytest.importorskip("numba")
from schurkit.schur import _swaps  # noqa: E402


def through_lapack(W, monkeypatch, **how):
    with monkeypatch.context() as patched:
        patched.setattr(blocks, "_compiled", lambda: None)
        return real_schur(W, **how)


def coupling_norms(form):
    """Frobenius norms of T between all pairs of blocks, which no rotation inside a block
    changes.
    """
    starts = [block.start for block in form.blocks]
    return np.sqrt(
        np.add.reduceat(
            np.add.reduceat(np.where(form._strictly_upper, form.T, 0) ** 2, starts, axis=0),
            starts,
            axis=1,
        )
    )


def sort(T, tie=1e-14):
    """T sorted, Q and whether the order is right."""
    T, Q = np.array(T, order="F"), np.eye(len(T), order="F")
    done = _swaps.sort(T, Q, 1.0, tie, np.inf)
    return T, Q, done


@pytest.fixture
def counted(monkeypatch):
    """What the compiled sort returned, and how many blocks LAPACK moved."""
    seen = {"sorts": [], "moves": 0}

    class Counting:
        finish = staticmethod(_swaps.finish)

        @staticmethod
        def sort(*given):
            seen["sorts"].append(_swaps.sort(*given))
            return seen["sorts"][-1]

    def move_block(*given, move=blocks.move_block):
        seen["moves"] += 1
        return move(*given)

    monkeypatch.setattr(blocks, "_compiled", lambda: Counting)
    monkeypatch.setattr(blocks, "move_block", move_block)
    return seen


# ---------------------------------------------------------------------------------- against LAPACK
def _pairs_only(size, generator):
    size = size // 2 * 2
    T = assemble(
        [pair(*generator.uniform([0.3, 0.2, 1], [1.2, 3.0, 3])) for _ in range(size // 2)],
        generator.standard_normal((size, size)) / size,
    )
    Q = rotation(size, generator)
    return Q @ T @ Q.T


def _real_only(size, generator):
    T = np.diag(generator.uniform(-1, 1, size)) + np.triu(
        0.1 * generator.standard_normal((size, size)), 1
    )
    Q = rotation(size, generator)
    return Q @ T @ Q.T


WELL_SEPARATED = {name: KINDS[name] for name in ("gaussian", "trained-like")} | {
    "near-orthogonal": lambda size, generator: (
        rotation(size, generator) + 0.1 * KINDS["gaussian"](size, generator)
    ),
    "pairs only": _pairs_only,
    "real only": _real_only,
}


@pytest.mark.parametrize(("scale", "leak"), [(1.0, 1.0), (1e-150, 1.0), (1e150, 1.0), (1.0, 0.3)])
@pytest.mark.parametrize("kind", sorted(WELL_SEPARATED))
def test_the_same_form_as_through_lapack(kind, scale, leak, monkeypatch, counted):
    for size in (32, 65, 130):
        W = scale * WELL_SEPARATED[kind](size, np.random.default_rng(size))
        form, other = real_schur(W, leak=leak), through_lapack(W, monkeypatch, leak=leak)
        assert counted["sorts"]  # what it leaves undone, on some processors, LAPACK does
        counted.update(sorts=[])
        check_form(form, W)
        check_order(form)
        assert [block[:2] for block in form.blocks] == [block[:2] for block in other.blocks]
        assert (
            form.eigenvalues / scale == pytest.approx(other.eigenvalues / scale, rel=1e-9)
            and form.n_leading == other.n_leading
        )
        assert coupling_norms(form) / scale == pytest.approx(
            coupling_norms(other) / scale, abs=1e-8
        )
        errors = [
            np.linalg.norm((W - f.Q @ f.T @ f.Q.T) / scale)
            + np.linalg.norm(f.Q.T @ f.Q - np.eye(len(W)))
            for f in (form, other)
        ]
        assert errors[0] <= 1.5 * errors[1] + 1e-14 * size


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_small_matrix(kind, monkeypatch):
    monkeypatch.setattr(blocks, "COMPILED", 2)
    for size in (2, 3, 4, 5, 8):
        for seed in range(20):
            W = KINDS[kind](size, np.random.default_rng(seed))
            form = real_schur(W)
            check_form(form, W)
            check_order(form)


def test_large_forms_are_sorted_in_windows_of_compiled_swaps(counted, monkeypatch):
    W = WELL_SEPARATED["near-orthogonal"](300, np.random.default_rng(0))
    form = real_schur(W)
    assert len(counted["sorts"]) > 3
    check_form(form, W)
    check_order(form)
    assert form.norms() == pytest.approx(through_lapack(W, monkeypatch).norms(), rel=1e-9)


def test_ties_keep_the_order_of_lapack(counted):
    sizes = (
        np.repeat([0.5, 1.0, 0.7], 12) + 1e-15 * np.random.default_rng(0).permutation(36) / 36
    )  # less than the tolerance of 8 eps ‖W‖
    W = np.diag(sizes * np.where(np.arange(36) % 2, -1, 1)) + np.diag(np.full(35, 0.01), 1)
    assert np.array_equal(np.diag(blocks.lapack_schur(np.array(W, order="F"))[0]), np.diag(W))
    form = real_schur(W)
    expected = np.r_[np.diag(W)[12:24], np.diag(W)[24:], np.diag(W)[:12]]
    assert np.diag(form.T).tolist() == expected.tolist() and counted["sorts"] == [True]


# ------------------------------------------------------------------------------ from chosen blocks
SMALL = {"real": np.array([[-0.3]]), "pair": pair(0.4, 2.0, 3.0)}
LARGE = {"real": np.array([[0.9]]), "pair": pair(0.8, 0.7, 1.5)}


@pytest.mark.parametrize("coupling", [0.0, 1e-12, 0.3, 1e6])
@pytest.mark.parametrize("behind", sorted(LARGE))
@pytest.mark.parametrize("front", sorted(SMALL))
def test_one_swap_of_every_pair_of_sizes(front, behind, coupling):
    # Unscaled neighbours in front and behind see the same Q.
    before, after = pair(2.0, 1.0), np.array([[0.01]])
    parts = [before, SMALL[front], LARGE[behind], after]
    size = sum(map(len, parts))
    T = assemble(parts, coupling * np.random.default_rng(0).standard_normal((size, size)))
    sorted_T, Q, done = sort(T)
    largest = np.abs(T).max()
    assert (
        done
        and np.abs(Q.T @ Q - np.eye(len(T))).max() < 2e-15
        and np.abs(Q @ sorted_T @ Q.T - T).max() < 1e-14 * largest
    )
    assert blocks.block_rows(sorted_T)[1].tolist() == [2, len(LARGE[behind]), len(SMALL[front]), 1]
    assert not np.tril(sorted_T, -2).any()
    values = [np.linalg.eigvals(block)[0] for block in (before, LARGE[behind], SMALL[front], after)]
    real, imaginary, _ = blocks.block_eigenvalues(sorted_T)
    close = 1e-14 if coupling < 1 else 1e-7
    assert real == pytest.approx(np.real(values), abs=close) and imaginary == pytest.approx(
        np.abs(np.imag(values)), abs=close
    )
    assert front == "pair" or SMALL[front] in np.diag(sorted_T)  # a real eigenvalue keeps every bit
    assert behind == "pair" or LARGE[behind] in np.diag(sorted_T)
    for row in blocks.block_rows(sorted_T)[2]:
        assert sorted_T[row, row] == sorted_T[row + 1, row + 1]


def test_ordered_forms_are_left_alone():
    T = assemble([pair(1.0, 1.0), [[0.9]], pair(0.5, 1.0)], 0.3)
    sorted_T, Q, done = sort(T)
    assert done and np.array_equal(sorted_T, T) and np.array_equal(Q, np.eye(5))


def test_a_swap_that_lapack_refuses_may_pass_the_same_test():
    T = REFUSED[::-1, ::-1].T
    assert not blocks.move_block(np.array(T, order="F"), np.eye(4, order="F"), 2, 0)
    sorted_T, Q, done = sort(T)
    assert (
        done
        and np.linalg.norm(Q @ sorted_T @ Q.T - T) < 1e-15 * np.linalg.norm(T)
        and np.linalg.norm(Q.T @ Q - np.eye(4)) < 1e-15
    )
    assert blocks.moduli_of(sorted_T, 0) == pytest.approx(blocks.moduli_of(T, 0)[::-1], rel=1e-6)


# -------------------------------------------------------------------------------- what is not done
NOT_DONE = {
    # The coupling's equation is not the one that standardised blocks have, so the swap fails the
    # test of accuracy.
    "not standardised": assemble([[[0.3]], [[0.2, 1.0], [-0.5, 0.8]]], 0.5),
    "pairs, not standardised": assemble([pair(0.3, 1.0), [[0.2, 1.0], [-0.5, 0.8]]], 0.5),
    "a pair that would split": assemble([[[0.3]], [[0.5, 0.1], [-1e-17, 0.5]]], 0.1),
}


@pytest.mark.parametrize("case", NOT_DONE)
def test_a_swap_that_is_not_made_leaves_every_bit(case):
    sorted_T, Q, done = sort(NOT_DONE[case])
    assert (
        not done and np.array_equal(sorted_T, NOT_DONE[case]) and np.array_equal(Q, np.eye(len(Q)))
    )


def test_an_order_that_rounding_undoes_is_not_called_right():
    """Nearly equal moduli under strong couplings shift by more than their distance, now and then
    past each other.
    """
    answers = set()
    for seed in range(40):
        generator = np.random.default_rng(seed)
        pairs = [
            pair(0.9 + 1e-13 * generator.random(), angle, 2.0)
            for angle in generator.uniform(0.5, 2.5, 6)
        ]
        T = assemble(pairs, 1e4 * generator.standard_normal((12, 12)))
        sorted_T, Q, done = sort(T, tie=1e-15)
        assert done == blocks.is_ordered(blocks.moduli_of(sorted_T, 0), 1e-15)
        assert np.abs(Q @ sorted_T @ Q.T - T).max() < 1e-9
        answers.add(done)
    assert answers == {True, False}


def test_lapack_goes_on_where_a_swap_is_not_made(counted):
    rest = [[[0.05 + 0.2 * k / 40]] for k in range(30)]
    T = assemble(
        [*rest[:20], *[[[0.3]], [[0.5, 0.1], [-1e-17, 0.5]], pair(0.9, 1.0)], *rest[20:]], 0.1
    )
    form = real_schur(T)
    assert False in counted["sorts"] and counted["moves"] > 0
    check_form(form, T)
    check_order(form)


def test_a_sort_that_never_ends_well_gives_the_form_of_lapack(monkeypatch):
    """Also: `finish` gives the bits that NumPy gives."""

    class Refusing:
        finish = staticmethod(_swaps.finish)
        sort = staticmethod(lambda *given: False)

    for kind in sorted(WELL_SEPARATED):
        for scale in (1.0, 1e-150, 1e150):
            W = scale * WELL_SEPARATED[kind](49, np.random.default_rng(3))
            expected = through_lapack(W, monkeypatch)
            monkeypatch.setattr(blocks, "_compiled", lambda: Refusing)
            form = real_schur(W)
            assert np.array_equal(form.T, expected.T) and np.array_equal(form.Q, expected.Q)
            assert (
                not np.signbit(form.T[form.T == 0]).any()
                and form.T.flags.c_contiguous
                and not form.T.flags.writeable
            )
            assert form.moduli / scale == pytest.approx(expected.moduli / scale, rel=1e-15)


def test_numbers_that_no_power_of_two_restores_are_left_to_lapack(counted):
    W = np.ldexp(WELL_SEPARATED["gaussian"](40, np.random.default_rng(0)), -1040)
    form = real_schur(W)
    assert (
        counted["sorts"] == []
        and counted["moves"] > 0
        and np.abs(form.W_rec - W).max() <= 1e4 * np.nextafter(0, 1)
    )


# ----------------------------------------------------------------------------------- without numba
def test_without_numba_lapack_does_it(monkeypatch):
    W = WELL_SEPARATED["near-orthogonal"](64, np.random.default_rng(0))
    expected = through_lapack(W, monkeypatch)
    blocks._compiled.cache_clear()
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "numba", None)
        patched.delitem(sys.modules, "schurkit.schur._swaps")
        patched.delattr("schurkit.schur._swaps")
        assert blocks.compiled_for(64) is None
        form = real_schur(W)
    blocks._compiled.cache_clear()
    assert np.array_equal(form.T, expected.T) and np.array_equal(form.Q, expected.Q)
    assert (
        blocks.compiled_for(64) is not None
        and blocks.compiled_for(31) is None
        and blocks.compiled_for(64, -1030) is None
    )


def test_numba_is_loaded_by_the_first_form_that_needs_it():
    code = (
        "import sys, numpy as np; from schurkit.schur.form import real_schur; W = "
        "np.cos(np.arange(1024.0).reshape(32, 32) ** 1.5);"
        "real_schur(W[:31, :31]); print('numba' in sys.modules); real_schur(W); print('numba' in "
        "sys.modules)"
    )
    assert subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split() == ["False", "True"]


def test_an_interpreter_without_a_compiler_is_no_numba():
    code = "import schurkit.schur.blocks as blocks; print(blocks.compiled_for(64))"
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    assert (
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        ).stdout.strip()
        == "None"
    )


def test_a_cache_that_cannot_be_used_costs_time_alone(monkeypatch):
    real, asked = _swaps.njit, []

    def njit(*given, cache=False, **how):
        asked.append(cache)
        if cache:
            raise OSError("read-only file system")
        return real(*given, **how)

    monkeypatch.setattr(_swaps, "njit", njit)
    assert _swaps._compiled(lambda x: x + 1, numba.types.int64(numba.types.int64))(
        2
    ) == 3 and asked == [True, False]


def test_the_form_is_the_same_each_time():
    W = WELL_SEPARATED["near-orthogonal"](100, np.random.default_rng(0))
    forms = [real_schur(W) for _ in range(3)]
    assert all(
        np.array_equal(form.T, forms[0].T)
        and np.array_equal(form.Q, forms[0].Q)
        and form.blocks == forms[0].blocks
        for form in forms
    )


def test_a_refusal_of_lapack_is_still_reported(monkeypatch):
    """Where neither makes the move, the form says so."""

    class Refusing:
        finish = staticmethod(_swaps.finish)
        sort = staticmethod(lambda *given: False)

    monkeypatch.setattr(blocks, "_compiled", lambda: Refusing)
    monkeypatch.setattr(blocks, "dtrexc", lambda T, Q, source, target, **how: (T, Q, 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        form = real_schur(np.diag(np.arange(1.0, 41.0)))
    assert (
        [warning.category for warning in caught] == [SchurOrderWarning]
        and form.refused
        and form.moduli.tolist() == list(range(1, 41))
    )
