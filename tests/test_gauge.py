"""The gauge of CR: exact for linear networks with all four parts changed, and with none less; R cut
at the largest gap; networks of which it is known what they need.
"""

import numpy as np
import pytest
from helpers import apart, messages, planted, random_rnn, random_trials, refuses

from schurkit import ablation_profile, real_schur, rollout
from schurkit.ablation import at_amplitude, gap_forms, gauge, without_CR
from schurkit.ablation.gauge import PARTS
from schurkit.studies.planted import planted as by_hand


def linear(seed, form, leak):
    rnn = random_rnn(1, 9, seed=seed, activation="identity", form=form, leak=leak)
    return rnn, real_schur(rnn.W_rec[0], 0.8, leak=leak)


def off(rnn, changed, trials):
    before, after = (rollout(one, trials).outputs for one in (rnn, changed))
    return apart(after, before) / np.abs(before).max()


@pytest.mark.parametrize("seed, form, leak", [(3, "voltage", 0.4), (4, "rate", 1.0)])
def test_all_four_parts_leave_a_linear_network_as_it_is_and_no_three_do(seed, form, leak):
    rnn, schur = linear(seed, form, leak)
    trials = random_trials(steps=12, autonomous=6)
    assert 0 < schur.n_leading < 9
    assert off(rnn, without_CR(rnn, schur), trials) < 1e-10
    assert off(rnn, without_CR(rnn, schur, ()), trials) > 1e-3
    for part in PARTS:
        fewer = tuple(other for other in PARTS if other != part)
        assert off(rnn, without_CR(rnn, schur, fewer), trials) > 1e-6, part


def test_what_the_gauge_says_of_itself():
    _, form = linear(3, "rate", 1.0)
    found, n = gauge(form), form.n_leading
    R, C = (np.linalg.eigvals(part) for part in (form.T[:n, :n], form.T[n:, n:]))
    assert found.gap == pytest.approx(np.abs(R[:, None] - C).min(), rel=1e-6)
    assert found.size == pytest.approx(np.linalg.svd(found.S)[1][0]) and found.residual < 1e-12


test_messages = messages(
    (gauge, real_schur(np.eye(3)), "units in R and in C; got 3 of 3"),
    (lambda: without_CR(*linear(3, "rate", 1.0), change=("W_rec",)), "change must be one of"),
    (without_CR, random_rnn(2, 4), real_schur(np.eye(4)), "one network"),
    (at_amplitude, random_rnn(1), 0.0, "amplitude must be above 0"),
)


def test_a_common_eigenvalue_has_no_gauge():
    tied = real_schur(np.diag([1.0, -0.5, 0.2]), 0.9)
    object.__setattr__(tied, "T", np.array([[0.2, 1, 0], [0, -0.5, 0], [0, 0, 0.2]]))
    refuses("without a common eigenvalue", gauge, tied)


def test_amplitude_leaves_a_linear_network_alone_and_calms_a_saturating_one():
    rnn, _ = linear(4, "rate", 1.0)
    trials = random_trials()
    assert off(rnn, at_amplitude(rnn, 0.01), trials) < 1e-12
    tanh = random_rnn(1, 9, seed=4, scale=0.2)
    states = rollout(at_amplitude(tanh, 0.01), trials, states=True).states
    assert np.abs(states).max() < 0.1 < np.abs(rollout(tanh, trials, states=True).states).max()


def test_R_ends_at_the_largest_gap_of_the_first_half():
    form = real_schur(planted()[0].W_rec[0], 0.97)  # moduli 1 .98 .95 .93 | .5 .4 .3 .2
    (cut,) = gap_forms([form])
    assert form.n_leading == 2 and cut.n_leading == 4 and np.array_equal(cut.T, form.T)
    late = real_schur(np.diag([1.0, 0.9, 0.8, 0.7, 0.6, 0.001]), 0.5)
    assert gap_forms([late])[0].n_leading == 3  # the gap before the last is not in the first half
    assert gap_forms([real_schur(np.eye(1))])[0].n_leading == 1
    leaky = real_schur(planted()[0].W_rec[0], 0.97, leak=0.2)
    moduli = gap_forms([leaky])[0].moduli
    last = int(np.argmax(moduli[:4] / moduli[1:5]))
    assert gap_forms([leaky])[0].leading_blocks == last + 1


def test_networks_by_hand_need_what_they_are_said_to_need():
    cases = by_hand()
    for name, case in cases.items():
        profile = ablation_profile(case.network, case.trials, draws=3)
        costly = {one.name for one in profile if one.cost[0] > 0.5 and "+" not in one.name}
        assert costly == set(case.needed), name
        for sector in case.unused:
            assert profile[sector].mass[0] > 0.1 and abs(profile[sector].cost[0]) < 1e-4
    ring, beside = (cases[f"shift register, {kind}"] for kind in ("normal", "nonnormal"))
    assert np.array_equal(ring.trials.inputs, beside.trials.inputs)
    assert 0.05 * apart(ring.trials.targets, beside.trials.targets) < 2.5e-3
