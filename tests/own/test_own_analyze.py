"""`schurkit analyze`: the numbers against a matrix built by hand, the schema, the summary, and what
is written where.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from examined import examined
from helpers import orthogonal, random_rnn, self_trials

from schurkit import RNN, InputError, Trials, fvu, rollout
from schurkit.__main__ import main
from schurkit.ablation import MEANING, READINGS
from schurkit.own import analysis, analyze
from schurkit.own.report import sentences, summary
from schurkit.rnn import ARRAYS

SUBSETS = [[], ["RR"], ["CR"], ["CC"], ["RR", "CR"], ["RR", "CC"], ["CR", "CC"], ["RR", "CR", "CC"]]

# ---- the schema: a type, a tuple of alternatives, [every item], {name: …}; "undefined" may stand b
NUMBER = (float, int, type(None))
ENDS = ("median", "low", "high", "least", "most")
CONTROL = {"kind": str, "n": int, "beyond": bool, "below": bool, "norm_share": float} | {
    f"delta_fvu_{end}": NUMBER for end in ENDS
}
ABLATION = {
    "removed": [str],
    "removed_mass": float,
    "fvu": NUMBER,
    "delta_fvu": NUMBER,
    "sensitivity": NUMBER,
    "reading": str,
    "controls": [CONTROL],
}
CONSTRAINT_COUNTS = ("zeros", "zeros_on_diagonal", "excitatory", "inhibitory", "mixed", "silent")
EFFECTS = [
    f"{kind}{what}"
    for kind in ("sign_violation", "filled_zero")
    for what in ("s", "_share", "_norm")
]
CONSTRAINTS = {name: int for name in CONSTRAINT_COUNTS} | {
    "zero_share": float,
    "dale": bool,
    "dale_rows": bool,
    "removals": [{"removed": [str]} | {name: NUMBER for name in EFFECTS}],
}
NETWORK = {
    "label": (int, str),
    "hidden_size": int,
    "spectral_radius": float,
    "n_leading": int,
    "cut": float,
    "near_cut": [int],
    "norms": {name: float for name in ("RR", "CR", "CC", "N", "B", "T")},
    "henrici": float,
    "blocks": [[(int, float)]],
    "refused": [str],
    "constraints": CONSTRAINTS,
}
WITH_TRIALS = {"metric": str, "n_trials": int, "full": {"fvu": NUMBER}, "ablations": [ABLATION]}
WITH_TRIALS |= {"to_lose": (float, type(None)), "orders": dict, "other_sides": [dict]}
REPORT = {
    "schema": int,
    "schurkit": str,
    "weights_sha256": (str, type(None)),
    "threshold": float,
    "seed": int,
    "activation": str,
    "leak": (float, list),
    "form": str,
    "assumed": [str],
    "checked": (dict, type(None)),
    "metric": (str, type(None)),
    "networks": [NETWORK],
}


def validate(value, schema, where="report"):
    if isinstance(schema, dict):
        undefined = value.get("undefined", {})
        assert set(value) - {"undefined"} == set(schema), where
        assert set(undefined) == {
            name for name in schema if value[name] is None and schema[name] is NUMBER
        }, where
        assert all(isinstance(why, str) and why for why in undefined.values()), where
        for name in schema:
            validate(value[name], schema[name], f"{where}.{name}")
    elif isinstance(schema, list):
        assert isinstance(value, list), where
        for item in value:
            validate(item, schema[0], where)
    else:
        assert isinstance(value, schema) and (schema is bool or not isinstance(value, bool)), (
            where,
            value,
        )
        assert not isinstance(value, float) or np.isfinite(value), where


def validate_report(report, *, trials):
    network = NETWORK | (WITH_TRIALS if trials else {})
    validate(report, REPORT | {"networks": [network]})
    if trials:
        assert all(
            [entry["removed"] for entry in one["ablations"]] == SUBSETS
            for one in report["networks"]
        )
        assert {
            entry["reading"] for one in report["networks"] for entry in one["ablations"]
        } <= set(READINGS)


# ------------------------------------------------------------------ a matrix built from its answer
MODULI = (1.0, 0.95, 0.5, 0.4, 0.1)  # R: the first two
T = np.diag(MODULI)
T[0, 1] = 0.3
T[:2, 2:] = [[0.1, -0.2, 0.3], [0.2, 0.1, -0.1]]
T[2:, 2:] += np.array([[0, 0.4, 0.1], [0, 0, 0.2], [0, 0, 0]])
SECTORS = {
    "RR": (slice(0, 2), slice(0, 2)),
    "CR": (slice(0, 2), slice(2, 5)),
    "CC": (slice(2, 5), slice(2, 5)),
}


def built(**kind):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return Q, RNN(rng.normal(size=(5, 2)), Q @ T @ Q.T, rng.normal(size=(1, 5)), **kind)


def trials_of(rnn, n=12, steps=9, noise=0.1):
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(n, steps, rnn.input_size))
    outputs = rollout(rnn, inputs).outputs
    return Trials(inputs, outputs[0] + noise * rng.normal(size=outputs[0].shape)), outputs


def without(sectors):
    changed = T.copy()
    for name in sectors:
        changed[SECTORS[name]] *= np.eye(5, dtype=bool)[SECTORS[name]]
    return changed


def test_the_profile_of_a_matrix_built_by_hand():
    Q, rnn = built()
    trials, outputs = trials_of(rnn)
    report = analyze(rnn, trials, outputs, draws=5)
    validate_report(report, trials=True)
    (network,) = report["networks"]
    assert network["n_leading"] == 2 and network["spectral_radius"] == pytest.approx(1.0)
    assert np.allclose([modulus for *_, modulus in network["blocks"]], MODULI)
    norms = {name: np.linalg.norm((T - np.diag(MODULI))[where]) for name, where in SECTORS.items()}
    expected = norms | {
        "N": np.linalg.norm(T - np.diag(MODULI)),
        "B": np.linalg.norm(MODULI),
        "T": np.linalg.norm(T),
    }
    assert network["norms"] == pytest.approx(expected) and network["henrici"] == pytest.approx(
        expected["N"]
    )
    intact = float(fvu(rollout(rnn, trials), trials)[0])
    assert network["full"]["fvu"] == pytest.approx(intact)
    for entry in network["ablations"]:
        changed = without(entry["removed"])
        mass = np.linalg.norm(T - changed) / np.linalg.norm(T)
        value = float(fvu(rollout(rnn.with_W_rec(Q @ changed @ Q.T), trials), trials)[0])
        assert entry["removed_mass"] == pytest.approx(mass) and entry["fvu"] == pytest.approx(value)
        assert entry["delta_fvu"] == pytest.approx(value - intact, abs=1e-12)
        if mass:
            assert entry["sensitivity"] == pytest.approx((value - intact) / mass)
    assert network["ablations"][0]["delta_fvu"] == 0 and network["ablations"][0]["controls"] == []
    assert "nothing to remove" in network["ablations"][0]["undefined"]["sensitivity"]


def test_controls_are_quantiles_of_their_draws():
    from schurkit import ablation_profile

    _, rnn = built()
    trials, _ = trials_of(rnn)
    found = examined(rnn, trials, controls=("block-upper", "full"), draws=20, seed=4)
    report, profile_of_all = found.report, found.profile
    entry = report["networks"][0]["ablations"][2]
    profile = ablation_profile(
        rnn, trials, subsets=[("CR",)], controls=("block-upper", "full"), draws=20, seed=4
    )
    for control in entry["controls"]:
        deltas = profile["CR"].controls[control["kind"]][0]
        found = [control[f"delta_fvu_{end}"] for end in ("least", "low", "median", "high", "most")]
        assert control["n"] == 20 and found == pytest.approx(
            np.quantile(deltas, [0, 0.025, 0.5, 0.975, 1]).tolist()
        )
        assert (control["beyond"], control["below"]) == (
            entry["delta_fvu"] > found[-1],
            entry["delta_fvu"] < found[0],
        )
    assert [control["kind"] for control in entry["controls"]] == ["block-upper", "full"]
    assert "CR cannot be read: permuted and matched controls were not both drawn." in sentences(
        profile_of_all
    )
    assert (
        analyze(rnn, trials, seed=4) == analyze(rnn, trials, seed=4) != analyze(rnn, trials, seed=5)
    )


# ----------------------------------------------------------------------- readings, by construction
def lined_up(driven, driver, strength, weak=()):
    """Sixteen units that each hear one input and are each read; one coupling, and weak inputs where
    asked.
    """
    moduli = np.array([1.0, *np.linspace(0.5, 0.2, 15)])
    W_rec = np.diag(moduli)
    W_rec[driven, driver] = strength
    W_in = 0.01 * np.eye(16)
    for unit, size in weak:
        W_in[unit] *= size
    return W_rec, W_in


def read(rnn, **options):
    found = examined(rnn, self_trials(rnn, 40), **options)
    report = found.report
    validate_report(report, trials=True)
    return {
        "+".join(entry["removed"]): entry for entry in report["networks"][0]["ablations"]
    }, summary(found)


def test_a_removal_that_is_specific_by_construction():
    """One coupling carries everything that is read; the same strength anywhere else carries next to
    nothing of it.
    """
    W_rec, W_in = lined_up(1, 15, 1.0, weak=[(unit, 0.0) for unit in range(15)])
    entries, told = read(RNN(W_in, W_rec, np.eye(16)[1:2]))
    specific, empty = entries["CC"], entries["CR"]
    assert specific["reading"] == "specific" and specific["fvu"] == pytest.approx(1, abs=0.01)
    assert [
        (control["kind"], control["beyond"], control["below"]) for control in specific["controls"]
    ] == [
        ("permuted", True, False),
        ("matched", True, False),
    ]
    assert entries["RR"]["reading"] == empty["reading"] == "∅" and empty["delta_fvu"] == 0
    assert all(
        control["n"] == 0 and "holds no coupling" in control["undefined"]["delta_fvu_most"]
        for control in empty["controls"]
    )
    assert (
        "undefined (–) for RR, CR, RR+CR: nothing to remove: the sector holds no coupling" in told
    )


def test_a_removal_that_is_milder_by_construction():
    """The coupling passes on a weak unit, and any other place would pass on a strong one."""
    W_rec, W_in = lined_up(1, 2, 2.0, weak=[(2, 0.4)])
    milder = read(RNN(W_in, W_rec, np.eye(16)))[0]["CC"]
    assert milder["reading"] == "milder" and milder["delta_fvu"] > 0.01
    assert all(
        control["below"] and milder["delta_fvu"] < control["delta_fvu_least"]
        for control in milder["controls"]
    )


def test_what_rounding_leaves_is_nearly_empty_and_what_nobody_reads_is_harmless():
    W_rec, W_in = lined_up(1, 15, 1.0)
    Q = orthogonal(16)
    turned, _ = read(RNN(Q @ W_in, Q @ W_rec @ Q.T, np.eye(16)[:1] @ Q.T))
    assert turned["CR"]["reading"] == "nearly ∅" and turned["CC"]["reading"] == "harmless"


def test_a_matched_control_that_has_no_room_says_its_share():
    entries, told = read(built()[1], draws=2)
    control = entries["RR+CR+CC"]["controls"][1]
    assert control["kind"] == "matched" and 0.9 < control["norm_share"] < 1
    assert f"RR+CR+CC {100 * control['norm_share']:.3g} % of it" in told


def test_a_leak_per_unit_has_the_form_of_its_own_step_matrix(tmp_path):
    from schurkit import real_schur
    from schurkit.own import load_rnn

    leak = np.linspace(0.2, 0.9, 6)
    rnn = random_rnn(1, hidden=6, biases=False)
    path = tmp_path / "net.npz"
    np.savez(
        path, **{name: getattr(rnn, name)[0] for name in ("W_in", "W_rec", "W_out")}, leak=leak
    )
    rnn = load_rnn(path)
    found = examined(rnn, self_trials(rnn, 40), draws=2)
    report = found.report
    validate_report(report, trials=True)
    (network,) = report["networks"]
    step = np.diag(1 - leak) + leak[:, None] * rnn.W_rec[0]
    moduli = np.sort(np.abs(np.linalg.eigvals(step)))[::-1]
    assert network["cut"] == pytest.approx(0.9 ** leak.mean() * moduli[0])
    assert network["n_leading"] == (moduli >= network["cut"]).sum() and network["norms"][
        "T"
    ] == pytest.approx(np.linalg.norm(step))
    assert network["spectral_radius"] == pytest.approx(
        np.abs(np.linalg.eigvals(rnn.W_rec[0])).max()
    )
    form = real_schur(rnn.W_rec[0], leak=leak)
    without_CR = rnn.with_W_rec(rnn.W_rec[0] - form.weights(form.sector("CR")))
    trials = self_trials(rnn, 40)
    assert network["ablations"][2]["fvu"] == pytest.approx(
        fvu(rollout(without_CR, trials), trials)[0], abs=1e-9
    )
    assert "leak 0.2 to 0.9, one a unit" in summary(
        found
    ) and "modulus in the step matrix at least" in summary(found)


def test_networks_that_diverge_are_null_with_a_reason():
    grown = Trials(np.ones((3, 400, 1)), np.random.default_rng(0).normal(size=(3, 400, 1)))
    hopeless = RNN(
        np.ones((3, 1)),
        1e3 * np.ones((3, 3)) + np.triu(np.ones((3, 3))),
        np.ones((1, 3)),
        activation="relu",
    )
    found = examined(hopeless, grown, draws=4)
    report = found.report
    validate_report(report, trials=True)
    assert report["networks"][0]["full"] == {
        "fvu": None,
        "undefined": {"fvu": "the network diverged"},
    }
    assert (
        report["networks"][0]["ablations"][1]["undefined"]["delta_fvu"]
        == "the unablated network diverged"
    )
    assert "the unablated network diverged" in summary(found)


def test_a_removal_that_makes_the_network_diverge():
    grown = Trials(np.ones((3, 400, 1)), np.random.default_rng(0).normal(size=(3, 400, 1)))
    W_rec = np.diag([50.0, 1.0, 0.5])
    W_rec[0, 1] = -200.0  # the second unit holds the first one down
    held = RNN(np.ones((3, 1)), W_rec, np.ones((1, 3)), activation="relu")
    found = examined(held, grown, draws=9)
    report = found.report
    validate_report(report, trials=True)
    json.dumps(report, allow_nan=False)
    (network,) = report["networks"]
    entry = network["ablations"][2]
    assert (
        network["full"]["fvu"] is not None and entry["removed"] == ["CR"] and entry["fvu"] is None
    )
    assert (
        set(entry["undefined"]) == {"fvu", "delta_fvu", "sensitivity"}
        and entry["undefined"]["fvu"] == "the ablated network diverged"
    )
    assert "of 9 draws diverged" in entry["controls"][0]["undefined"]["delta_fvu_high"]
    assert "undefined (–) for CR" in summary(found)


def test_a_stack_and_a_leak(tmp_path):
    rnn = replace(random_rnn(3, hidden=6, inputs=2, outputs=2, leak=0.4), labels=("a", "b", 7))
    inputs = np.random.default_rng(0).normal(size=(5, 6, 2))
    outputs = rollout(rnn, inputs).outputs
    trials = Trials(inputs, outputs[1])
    found = examined(rnn, trials, outputs, draws=2)
    report = found.report
    validate_report(report, trials=True)
    assert [network["label"] for network in report["networks"]] == ["a", "b", 7]
    assert report["networks"][1]["full"]["fvu"] < 1e-30 and report["networks"][0]["full"]["fvu"] > 0
    alone = analyze(rnn[1], trials, outputs[1], draws=2)["networks"][0]
    assert (
        alone["norms"] == report["networks"][1]["norms"]
        and alone["n_leading"] == report["networks"][1]["n_leading"]
    )
    assert "3 networks of 6 units" in summary(found) and "leak 0.4" in summary(found)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("scale", [1e300, 1e-300, 1e-160])
def test_weights_whose_squares_overflow_or_vanish(activation, scale):
    """Norms are scaled; the controls are as large as the removal; pytest turns every warning of
    NumPy into an error.
    """
    rng = np.random.default_rng(0)
    W_rec = np.abs(rng.normal(size=(6, 6))) * np.where(np.arange(6) < 4, 1.0, -1.0)
    rnn = RNN(rng.normal(size=(6, 2)), scale * W_rec, np.ones((1, 6)), activation=activation)
    trials = Trials(rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 5, 1)))
    report = analyze(rnn, trials, draws=3)
    validate_report(report, trials=True)
    json.dumps(report, allow_nan=False)
    ordinary = analyze(replace(rnn, W_rec=W_rec[None]))["networks"][0]
    for one, other in zip(
        report["networks"][0]["constraints"]["removals"], ordinary["constraints"]["removals"]
    ):
        assert one["sign_violations"] == other["sign_violations"] and one[
            "sign_violation_norm"
        ] == pytest.approx(other["sign_violation_norm"])


@pytest.mark.parametrize("scale", [1e300, 1e-300])
@pytest.mark.parametrize("kind", ["block-upper", "full"])
def test_controls_are_as_large_as_the_removal_at_any_scale(scale, kind):
    from schurkit import control_changes, real_schur
    from schurkit.ablation import removal

    form = real_schur(scale * np.random.default_rng(0).normal(size=(6, 6)))
    sectors = ("RR", "CR", "CC")
    sizes = [
        np.linalg.norm(change / scale) for change in control_changes(form, sectors, kind, draws=3)
    ]
    assert sizes == pytest.approx([np.linalg.norm(removal(form, sectors) / scale)] * 3)


def test_refused_orders_are_reported(monkeypatch):
    import warnings

    from schurkit.schur import real_schur
    from schurkit.schur.form import SchurOrderWarning

    def refusing(*arguments, **more):
        warnings.warn("the order is not exact", SchurOrderWarning, stacklevel=2)
        return replace(real_schur(*arguments, **more), refused=("block 3 would not move",))

    monkeypatch.setattr(analysis, "real_schur", refusing)
    found = examined(built()[1])
    report = found.report
    validate_report(report, trials=False)
    assert report["networks"][0]["refused"] == ["block 3 would not move"]
    assert "order not exact: block 3 would not move" in summary(found)


def test_arguments_of_analyze():
    _, rnn = built()
    trials, outputs = trials_of(rnn)
    with pytest.raises(InputError, match="together with the trials"):
        analyze(rnn, None, outputs)
    with pytest.raises(InputError, match="targets do not vary"):
        analyze(rnn, Trials(trials.inputs, np.ones_like(trials.targets)))


# ------------------------------------------------------------------------------------- the command
@pytest.fixture
def files(tmp_path):
    _, rnn = built()
    trials, outputs = trials_of(rnn)
    arrays = {name: getattr(rnn, name)[0] for name in ARRAYS}
    np.savez(tmp_path / "net.npz", **arrays, activation="tanh", leak=1.0)
    np.savez(tmp_path / "turned.npz", **arrays | {"W_rec": arrays["W_rec"].T})
    np.savez(
        tmp_path / "trials.npz", inputs=trials.inputs, targets=trials.targets, outputs=outputs[0]
    )
    np.savez(tmp_path / "plain.npz", inputs=trials.inputs, targets=trials.targets)
    return tmp_path


def run(capsys, folder, *arguments):
    code = main(
        [
            "analyze",
            *(
                str(folder / word) if word.endswith((".npz", ".json")) else word
                for word in arguments
            ),
        ]
    )
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_summary_and_the_file(files, capsys):
    code, out, err = run(capsys, files, "net.npz", "--trials", "trials.npz", "--json", "out.json")
    assert (code, err) == (0, "")
    assert (
        "activation tanh, leak 1, form rate" in out
        and "Checked: the network gives the outputs" in out
        and "assumed" not in out
    )
    assert "spectral radius 1; R holds 2 of 5 units" in out and "Henrici" in out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("    ")][1:] == [
        "+".join(s) or "none" for s in SUBSETS
    ]
    assert (
        "under 20 random changes of equal norm, median [lowest, highest]" in out
        and "1 time in 21" in out
    )
    rows = [line.split() for line in out.splitlines() if line.startswith("    ")]
    read = [
        entry["reading"]
        for entry in json.loads((files / "out.json").read_text())["networks"][0]["ablations"]
    ]
    assert rows[0][-2:] == ["reads", "sensitivity"] and [row[-2] for row in rows[2:]] == read[1:]
    assert all(f"  {word}: {MEANING[word]}" in out for word in set(read[1:]))
    report = json.loads((files / "out.json").read_text())
    validate_report(report, trials=True)
    assert (
        report["schema"] == 2
        and report["checked"]["agrees"] is True
        and report["checked"]["hint"] is None
    )
    assert [
        (control["kind"], control["n"])
        for control in report["networks"][0]["ablations"][2]["controls"]
    ] == [("permuted", 20), ("matched", 20)]
    assert len(report["weights_sha256"]) == 64
    assert sorted(path.name for path in files.iterdir()) == [
        "net.npz",
        "out.json",
        "plain.npz",
        "trials.npz",
        "turned.npz",
    ]


def test_json_to_standard_output(files, capsys):
    code, out, err = run(
        capsys,
        files,
        "net.npz",
        "--trials",
        "plain.npz",
        "--json",
        "-",
        "--control",
        "permuted",
        "--controls",
        "full",
        "--draws",
        "3",
    )
    report = json.loads(out)
    validate_report(report, trials=True)
    assert (code, err, report["checked"]) == (0, "", None)
    assert [
        (control["kind"], control["n"])
        for control in report["networks"][0]["ablations"][-1]["controls"]
    ] == [
        ("permuted", 3),
        ("matched", 3),
        ("full", 3),
    ]


def test_without_trials_the_matrix_alone_is_described(files, capsys):
    code, out, _ = run(capsys, files, "turned.npz", "--json", "out.json")
    assert (
        code == 0
        and "No trials were given" in out
        and "Orientation unchecked" in out
        and "activation tanh (assumed)" in out
    )
    report = json.loads((files / "out.json").read_text())
    validate_report(report, trials=False)
    assert report["assumed"] == ["activation", "leak"] and "full" not in report["networks"][0]


def test_outputs_that_disagree_stop_the_analysis(files, capsys):
    code, out, err = run(
        capsys, files, "turned.npz", "--trials", "trials.npz", "--json", "out.json"
    )
    assert (code, out) == (2, "") and err.count("\n") == 1 and not (files / "out.json").exists()
    assert (
        "W_rec were transposed" in err and "--transpose W_rec" in err and "--force-unchecked" in err
    )
    code, out, err = run(
        capsys,
        files,
        "turned.npz",
        "--trials",
        "trials.npz",
        "--json",
        "out.json",
        "--force-unchecked",
    )
    assert (
        code == 0
        and "CHECK FAILED" in out
        and err.startswith("schurkit: warning: ")
        and err.count("\n") == 1
    )
    report = json.loads((files / "out.json").read_text())
    validate_report(report, trials=True)
    assert (
        report["checked"]["agrees"] is False
        and "W_rec were transposed" in report["checked"]["hint"]
    )
    code, out, err = run(
        capsys, files, "turned.npz", "--trials", "trials.npz", "--transpose", "W_rec"
    )
    assert (code, err) == (0, "") and "Checked: the network gives the outputs" in out


def test_arguments_that_are_wrong(files, capsys):
    for arguments, told in (
        (["net.npz", "--activation", "sigmoid"], "activation must be one of"),
        (["net.npz", "--activation", "relu"], "the file says activation 'tanh'"),
        (["net.npz", "--form", "x"], "form must be one of"),
        (["net.npz", "--leak", "2"], "the file says leak 1"),
        (["turned.npz", "--leak", "2"], "leak must be"),
        (["turned.npz", "--leak", "nan"], "leak must be"),
        (["net.npz", "--threshold", "2"], "threshold must be"),
        (["net.npz", "--threshold", "inf"], "threshold must be"),
        (["net.npz", "--seed", "-1"], "seed must be"),
        (["net.npz", "--draws", "0"], "draws must be"),
        (["net.npz", "--control", "half"], "control must be one of"),
        (["net.npz", "--transpose", "W"], "transpose must be one of"),
        (["net.npz", "--readout", "fc"], "choose layers of a torch state dict"),
        (["absent.npz"], "there is no file"),
        ([], "weights"),
    ):
        code, out, err = run(capsys, files, *arguments)
        assert (code, out) == (2, "") and told.lower() in err.lower() and err.count("\n") == 1, (
            arguments,
            err,
        )


def test_inputs_are_never_overwritten(files, capsys):
    before = {path.name: path.read_bytes() for path in files.iterdir()}
    os.link(files / "net.npz", files / "hard.json")
    os.symlink(files / "trials.npz", files / "soft.json")
    # stands for /dev/null and other devices, which a rename would replace
    os.mkfifo(files / "pipe")
    for target, told in (
        ("net.npz", "would overwrite"),
        ("trials.npz", "would overwrite"),
        ("hard.json", "would overwrite"),
        ("soft.json", "would overwrite"),
        ("plain.npz", "name of a file of arrays"),
        (str(files / "pipe"), "not a file that can be written"),
        (str(files), "not a file that can be written"),
        (str(files / "nowhere" / "out.txt"), "there is no folder"),
        (str(files / "net.npz" / "out.txt"), "there is no folder"),
    ):
        code, _, err = run(capsys, files, "net.npz", "--trials", "trials.npz", "--json", target)
        assert code == 2 and told in err, (target, err)
    assert {name: (files / name).read_bytes() for name in before} == before


def test_a_result_is_there_whole_or_not_at_all(files, capsys, monkeypatch):
    (files / "out.json").write_text("earlier")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    code, _, err = run(capsys, files, "net.npz", "--json", "out.json")
    assert code == 2 and "cannot be written: No space left on device" in err
    assert (files / "out.json").read_text() == "earlier" and not list(files.glob(".out*"))


def test_the_command_in_a_process_of_its_own(files):
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "schurkit",
            "analyze",
            str(files / "net.npz"),
            "--trials",
            str(files / "trials.npz"),
        ],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "") and "RR+CR+CC" in done.stdout
