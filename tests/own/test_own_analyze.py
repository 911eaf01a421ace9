"""`schurkit analyze`: the numbers against a matrix built by hand, the schema, the summary, and what
is written where.
"""

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from examined import examined, noisy_trials
from helpers import gauss, orthogonal, random_rnn, random_trials, self_trials
from press.small_book import cases

from schurkit import RNN, Trials, ablation_profile, fvu, real_schur, rollout
from schurkit.ablation import CONTROLS, MEANING, READINGS, ablate
from schurkit.own import analysis, analyze
from schurkit.own.report import headline, sentence, sentences, summary
from schurkit.rnn import ARRAYS
from schurkit.schur.form import SchurOrderWarning

SUBSETS = [[], ["RR"], ["CR"], ["CC"], ["RR", "CR"], ["RR", "CC"], ["CR", "CC"], ["RR", "CR", "CC"]]

# ---- the schema: names and types by place; a "number" may be null where `undefined` says why
SCHEMA = """
report seed:int schema:int schurkit:str activation:str form:str weights_sha256:str|NoneType
    metric:str|NoneType threshold:float leak:float|list assumed:list checked:dict|NoneType
    networks:list
networks label:int|str hidden_size:int n_leading:int spectral_radius:float cut:float henrici:float
    near_cut:list blocks:list refused:list norms:dict constraints:dict
trials metric:str controls_dtype:str n_trials:int to_lose:float|NoneType orders:dict
    other_sides:list full:dict ablations:list
norms RR:float CR:float CC:float N:float B:float T:float
constraints zeros:int zeros_on_diagonal:int excitatory:int inhibitory:int mixed:int silent:int
    zero_share:float dale:bool dale_rows:bool removals:list
removals removed:list sign_violations:number sign_violation_share:number
    sign_violation_norm:number filled_zeros:number filled_zero_share:number filled_zero_norm:number
full fvu:number
ablations removed:list removed_mass:float fvu:number delta_fvu:number sensitivity:number
    reading:str controls:list
controls kind:str n:int beyond:bool below:bool norm_share:float delta_fvu_median:number
    delta_fvu_low:number delta_fvu_high:number delta_fvu_least:number delta_fvu_most:number
"""
PLACES = (line.split() for line in SCHEMA.replace("\n    ", " ").strip().splitlines())
PLACES = {place: dict(name.split(":") for name in names) for place, *names in PLACES}


def validate(value, trials, place="report"):
    names, undefined = PLACES[place], value.get("undefined", {})
    names = names | PLACES["trials"] if trials and place == "networks" else names
    assert value.keys() - {"undefined"} == names.keys(), place
    numbers = {name for name, kind in names.items() if kind == "number"}
    assert undefined.keys() == {name for name in numbers if value[name] is None} and all(
        why and isinstance(why, str) for why in undefined.values()
    )
    for name, kind in names.items():
        kind = kind.replace("number", "float|int|NoneType").split("|")
        assert type(value[name]).__name__ in kind, (place, name, value[name])
        for one in np.ravel(value[name]) if name in PLACES else ():
            validate(one, trials, name)


def validate_report(report, *, trials):
    validate(report, trials)
    json.dumps(report, allow_nan=False)
    for one in report["networks"] if trials else ():
        assert [entry["removed"] for entry in one["ablations"]] == SUBSETS
        assert {entry["reading"] for entry in one["ablations"]} <= set(READINGS)


def valid(rnn, *trials, **options):
    """An analysis whose report follows the schema, and its first network there."""
    found = examined(rnn, *trials, **options)
    validate_report(found.report, trials=bool(trials))
    return found, found.report["networks"][0]


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


def built():
    Q = orthogonal(5)
    return RNN(gauss(5, 2, seed=1), Q @ T @ Q.T, gauss(1, 5, seed=2))


def without_sector(name, rnn, form, trials):
    """FVU of a network without the couplings that a form has there."""
    changed = rnn.with_W_rec(rnn.W_rec[0] - form.weights(form.sector(name)))
    return fvu(rollout(changed, trials), trials)[0]


def test_the_report_holds_the_norms_and_the_numbers_of_the_profile():
    rnn = built()
    trials, outputs = noisy_trials(rnn)
    asked = {"controls": ("block-upper", "full"), "draws": 20, "seed": 4}
    _, network = valid(rnn, trials, outputs, **asked)
    assert network["n_leading"] == 2 and network["spectral_radius"] == pytest.approx(1.0)
    assert np.allclose([modulus for *_, modulus in network["blocks"]], MODULI)
    N = T - np.diag(MODULI)
    norms = {name: np.linalg.norm(N[where]) for name, where in SECTORS.items()}
    norms |= {"N": np.linalg.norm(N), "B": np.linalg.norm(MODULI), "T": np.linalg.norm(T)}
    assert network["norms"] == pytest.approx(norms)
    assert network["henrici"] == pytest.approx(norms["N"])
    profile = ablation_profile(rnn, trials, **asked)
    assert network["full"]["fvu"] == pytest.approx(profile.intact[0])
    none, *entries = network["ablations"]
    assert none["delta_fvu"] == 0 and none["controls"] == []
    assert "nothing to remove" in none["undefined"]["sensitivity"]
    for entry in entries:
        removal = profile["+".join(entry["removed"])]
        (cost,), (mass,) = removal.cost, removal.mass
        assert entry["removed_mass"] == pytest.approx(mass)
        assert entry["fvu"] == pytest.approx(profile.intact[0] + cost)
        assert entry["delta_fvu"] == pytest.approx(cost)
        assert entry["sensitivity"] == pytest.approx(cost / mass)
        assert [control["kind"] for control in entry["controls"]] == ["block-upper", "full"]
        for control in entry["controls"]:
            drawn = np.quantile(removal.controls[control["kind"]], [0, 0.025, 0.5, 0.975, 1])
            ends = [control[f"delta_fvu_{k}"] for k in ("least", "low", "median", "high", "most")]
            assert control["n"] == 20 and ends == pytest.approx(drawn.tolist())
            assert control["beyond"] == (cost > ends[-1]) and control["below"] == (cost < ends[0])
    first, again, another = (analyze(rnn, trials, draws=2, seed=seed) for seed in (4, 4, 5))
    assert first == again != another


# ------------------------------------------------------------- the metric, the order and the border
@pytest.fixture
def classes():
    """A network that tells three classes apart at the last step, well but not always."""
    rnn = replace(random_rnn(1, 8, 2, 3, biases=False), labels=("c",))
    inputs = gauss(60, 6, 2)
    outputs = rollout(rnn, inputs).outputs[0]
    targets = np.eye(3)[(outputs + gauss(60, 6, 3, seed=1)).argmax(axis=2)]
    return rnn, Trials(inputs, targets, np.arange(6) == 5), outputs


def test_an_analysis_in_the_metric_of_the_task(classes):
    rnn, trials, outputs = classes
    found = examined(rnn, trials, metric="", draws=6)
    report, told = found.report, summary(found)
    (network,) = report["networks"]
    share = lambda y: (y.argmax(2) == trials.targets.argmax(2))[:, -1].mean()  # noqa: E731
    assert report["metric"] == network["metric"] == "accuracy"
    assert network["full"] == {"value": pytest.approx(share(outputs))}
    chance = np.bincount(trials.targets[:, -1].argmax(1)).max() / 60
    assert network["to_lose"] == pytest.approx(share(outputs) - chance)
    variants = rollout(ablate(rnn, real_schur(rnn.W_rec[0])), trials).outputs
    for entry, value in zip(network["ablations"], map(share, variants), strict=True):
        assert entry["value"] == pytest.approx(value) and "delta_fvu" not in entry
        assert entry["delta"] == pytest.approx(value - share(outputs))
        for control in entry["controls"]:
            least = control["delta_least"]
            assert control["beyond"] == (least is not None and entry["delta"] < least)
    assert f"has accuracy {share(outputs):.3g}" in told and "higher is better" in told
    assert "Controls: change of accuracy under 6" in told and "FVU" not in told
    change = f"{network['ablations'][-1]['delta']:+.2g}".replace("-", "−")
    assert f"accuracy {change}; permuted" in " ".join(sentences(found.profile_of(0)))
    assert examined(rnn, trials, draws=2).report["metric"] == "fvu"


def test_a_score_that_falls_to_chance_is_lost(classes):
    rnn, trials, _ = classes
    silent = replace(rnn, W_out=-rnn.W_out)
    found = examined(silent, trials, metric="accuracy", draws=2)
    assert "Warning: the network does little better than one that knows nothing" in summary(found)
    profile = found.profile_of(0)
    lose = replace(profile["CR"], to_lose=np.array([0.1]), cost=np.array([0.2]))
    assert "no better than one that knows nothing" in sentence(lose, profile)
    better = replace(lose, cost=np.array([-0.2]))
    assert "Without it accuracy rises." in sentence(better, profile)


def test_costs_under_other_orders_and_on_the_other_side_of_the_cut():
    """Two modes of one modulus, of which the couplings of one carry all that is read; and two
    moduli near the cut.
    """
    W_rec = np.diag([1.0, 0.5, 0.5 - 1e-12, 0.5 - 2e-12, 0.1])
    W_rec[1, 2] = W_rec[2, 3] = W_rec[1, 3] = 0.4
    rnn = RNN(np.eye(5), W_rec, np.eye(5)[1:2])
    form, trials = real_schur(W_rec), self_trials(rnn, 40)
    _, network = valid(rnn, trials, draws=2, orders=8)
    for seed, cost in enumerate(network["orders"]["CC"]):
        lost = without_sector("CC", rnn, form.random_order(seed), trials)
        assert cost == pytest.approx(lost, abs=1e-5)
    W_rec = np.diag([1.0, 0.91, 0.89, 0.5, 0.1]) + np.triu(np.ones((5, 5)), 1) / 9
    rnn = RNN(np.eye(5), W_rec, np.ones((1, 5)))
    found, network = valid(rnn, trials := self_trials(rnn, 40), draws=2)
    sides = network["other_sides"]
    assert [side["n_leading"] for side in sides] == [3, 1]
    for side, level in zip(sides, (0.88, 0.92)):
        cut = real_schur(rnn.W_rec[0], level)
        for name, cost in side["costs"].items():
            assert cost == pytest.approx(without_sector(name, rnn, cut, trials), abs=1e-5)
    told = summary(found)
    assert "Warning: 2 blocks" in told and "On either side (rise of FVU): 2 units in R: RR" in told
    assert f"3 units in R: RR {sides[0]['costs']['RR']:+.2g}" in told


@pytest.mark.parametrize(
    "costs, told",
    [([0.1, 0.9], "Warning: what the sectors cost hangs on"), ([0.5, 0.501], "hardly moves: CC")],
)
def test_an_order_that_matters_is_a_warning(costs, told):
    rnn = built()
    found = examined(rnn, noisy_trials(rnn)[0], draws=2)
    cost = found.profile["CC"].cost[0]
    found = replace(found, orders=[{"CC": 2 * cost * np.array(costs)}])
    assert told in summary(found) and told in " ".join(headline(found, 0))


# ----------------------------------------------------------------------- readings, by construction
def lined_up(deaf=0):
    """Sixteen units that each hear one input, but the first ones where asked, and one coupling."""
    W_rec, W_in = np.diag([1.0, *np.linspace(0.5, 0.2, 15)]), 0.01 * np.eye(16)
    W_rec[1, 15], W_in[:deaf] = 1.0, 0
    return W_rec, W_in


def read(rnn, **options):
    found, network = valid(rnn, self_trials(rnn, 40), **options)
    return {"+".join(entry["removed"]): entry for entry in network["ablations"]}, summary(found)


def test_a_removal_that_is_specific_by_construction():
    """One coupling carries everything that is read; the same strength anywhere else carries next to
    nothing of it.
    """
    W_rec, W_in = lined_up(deaf=15)
    entries, told = read(RNN(W_in, W_rec, np.eye(16)[1:2]))
    specific, empty = entries["CC"], entries["CR"]
    assert specific["reading"] == "specific" and specific["fvu"] == pytest.approx(1, abs=0.01)
    for control, kind in zip(specific["controls"], ("permuted", "matched")):
        assert (control["kind"], control["beyond"], control["below"]) == (kind, True, False)
    assert entries["RR"]["reading"] == empty["reading"] == "∅" and empty["delta_fvu"] == 0
    assert all(
        control["n"] == 0 and "holds no coupling" in control["undefined"]["delta_fvu_most"]
        for control in empty["controls"]
    )
    assert (
        "undefined (–) for RR, CR, RR+CR: nothing to remove: the sector holds no coupling" in told
    )


def test_what_rounding_leaves_is_nearly_empty_and_what_nobody_reads_is_harmless():
    W_rec, W_in = lined_up()
    Q = orthogonal(16)
    turned, _ = read(RNN(Q @ W_in, Q @ W_rec @ Q.T, np.eye(16)[:1] @ Q.T))
    assert turned["CR"]["reading"] == "nearly ∅" and turned["CC"]["reading"] == "harmless"


def test_a_matched_control_that_has_no_room_says_its_share():
    entries, told = read(built(), draws=2)
    control = entries["RR+CR+CC"]["controls"][1]
    assert control["kind"] == "matched" and 0.9 < control["norm_share"] < 1
    assert f"RR+CR+CC {100 * control['norm_share']:.3g} % of it" in told


def test_a_leak_per_unit_has_the_form_of_its_own_step_matrix():
    leak = np.linspace(0.2, 0.9, 6)
    rnn = random_rnn(1, hidden=6, biases=False, leak=leak)
    found, network = valid(rnn, self_trials(rnn, 40), draws=2)
    step = np.diag(1 - leak) + leak[:, None] * rnn.W_rec[0]
    assert network["norms"]["T"] == pytest.approx(np.linalg.norm(step))
    told = summary(found)
    assert "leak 0.2 to 0.9, one a unit" in told and "modulus in the step matrix at least" in told


def grown(W_rec, **options):
    """The report on a relu network over 400 steps, checked, its one network, and the summary."""
    trials = Trials(np.ones((3, 400, 1)), gauss(3, 400, 1))
    rnn = RNN(np.ones((3, 1)), W_rec, np.ones((1, 3)), activation="relu")
    found, network = valid(rnn, trials, **options)
    return network, summary(found)


def test_networks_that_diverge_are_null_with_a_reason():
    network, told = grown(1e3 * np.ones((3, 3)) + np.triu(np.ones((3, 3))), draws=4)
    assert network["full"] == {"fvu": None, "undefined": {"fvu": "the network diverged"}}
    lost = "the unablated network diverged"
    assert network["ablations"][1]["undefined"]["delta_fvu"] == lost and lost in told


def test_a_removal_that_makes_the_network_diverge():
    W_rec = np.diag([50.0, 1.0, 0.5])
    W_rec[0, 1] = -200.0  # the second unit holds the first one down
    network, told = grown(W_rec, draws=9)
    entry = network["ablations"][2]
    assert network["full"]["fvu"] is not None and entry["fvu"] is None
    assert set(entry["undefined"]) == {"fvu", "delta_fvu", "sensitivity"}
    assert entry["undefined"]["fvu"] == "the ablated network diverged"
    assert "of 9 draws diverged" in entry["controls"][0]["undefined"]["delta_fvu_high"]
    assert "undefined (–) for CR" in told


def test_a_stack_has_a_report_a_label():
    rnn = replace(random_rnn(3, hidden=6, outputs=2, leak=0.4), labels=("a", "b", 7))
    trials, outputs = noisy_trials(rnn)
    found, _ = valid(rnn, Trials(trials.inputs, outputs[1]), outputs, draws=2)
    told = {one["label"]: one["full"]["fvu"] for one in found.report["networks"]}
    assert list(told) == ["a", "b", 7] and told["b"] < 1e-25 < 1e-3 < told["a"]
    assert "3 networks of 6 units" in summary(found) and "leak 0.4" in summary(found)


@pytest.mark.parametrize("scale, activation", [(1e300, "tanh"), (1e-300, "relu"), (1e-160, "relu")])
def test_weights_whose_squares_overflow_or_vanish(scale, activation):
    """Norms are scaled; the controls are as large as the removal; pytest turns every warning of
    NumPy into an error.
    """
    W_rec = np.abs(gauss(6, 6)) * np.where(np.arange(6) < 4, 1.0, -1.0)
    rnn = RNN(gauss(6, 2, seed=1), scale * W_rec, np.ones((1, 6)), activation=activation)
    trials = random_trials(trials=4, autonomous=0, outputs=1)
    _, network = valid(rnn, trials, draws=3, controls=CONTROLS)
    _, ordinary = valid(replace(rnn, W_rec=W_rec[None]))
    for one, other in zip(*(each["constraints"]["removals"] for each in (network, ordinary))):
        assert one["sign_violations"] == other["sign_violations"]
        assert one["sign_violation_norm"] == pytest.approx(other["sign_violation_norm"])


def test_refused_orders_are_reported(monkeypatch):
    def refusing(rnn, *_):
        warnings.warn("the order is not exact", SchurOrderWarning, stacklevel=2)
        return [replace(real_schur(rnn.W_rec[0]), refused=("block 3 would not move",))]

    monkeypatch.setattr(analysis, "forms_of", refusing)
    found, network = valid(built())
    assert network["refused"] == ["block 3 would not move"]
    assert "order not exact: block 3 would not move" in summary(found)


# ------------------------------------------------------------------------------------- the command
MINE = """import numpy as np
from schurkit.metrics import FVU
def error(outputs, trials):
    return np.abs(outputs - trials.targets).mean((1, 2, 3))
def score(outputs, trials):
    return -error(outputs, trials)
def constant(outputs, trials):
    return np.ones(len(outputs))
def scalar(outputs, trials):
    return 1.0
def broken(outputs, trials):
    return 1 / 0
"""


@pytest.fixture
def files():
    """Networks, trials and metrics of one's own in the folder."""
    rnn = built()
    trials, outputs = noisy_trials(rnn)
    arrays = {name: getattr(rnn, name)[0] for name in ARRAYS}
    given = {"inputs": trials.inputs, "targets": trials.targets}
    np.savez("net.npz", **arrays, activation="tanh", leak=1.0)
    np.savez("turned.npz", **arrays | {"W_rec": arrays["W_rec"].T})
    np.savez("trials.npz", **given, outputs=outputs[0])
    np.savez("plain.npz", **given)
    np.savez("flat.npz", **given | {"targets": np.ones_like(trials.targets)})
    relu = rollout(replace(rnn, activation="relu"), trials).outputs
    np.savez("relu.npz", **given, outputs=relu)
    Path("mine.py").write_text(MINE)
    os.link("net.npz", "hard.json")
    os.symlink("trials.npz", "soft.json")
    # stands for /dev/null and other devices, which a rename would replace
    os.mkfifo("pipe")


def written(trials=True):
    """The report that stands in the folder."""
    report = json.loads(Path("out.json").read_text())
    validate_report(report, trials=trials)
    return report


def kinds_of(report, k=-1):
    controls = report["networks"][0]["ablations"][k]["controls"]
    return [(control["kind"], control["n"]) for control in controls]


def test_the_summary_and_the_file(files, analyze):
    before = {*Path().iterdir()}
    code, out, err = analyze("net.npz --trials trials.npz --json out.json")
    assert (code, err) == (0, "") and "assumed" not in out
    for told in (
        "activation tanh, leak 1, form rate",
        "Checked: the network gives the outputs",
        "spectral radius 1; R holds 2 of 5 units",
        "Henrici",
        "under 20 random changes of equal norm, median [lowest, highest]",
        "1 time in 21",
    ):
        assert told in out
    report = written()
    rows = [line.split() for line in out.splitlines() if line.startswith("    ")]
    assert [row[0] for row in rows[1:]] == ["+".join(s) or "none" for s in SUBSETS]
    read = [entry["reading"] for entry in report["networks"][0]["ablations"]]
    assert rows[0][-2:] == ["reads", "sensitivity"] and [row[-2] for row in rows[2:]] == read[1:]
    assert all(f"  {word}: {MEANING[word]}" in out for word in set(read[1:]))
    assert (report["schema"], report["metric"]) == (2, "fvu")
    assert report["checked"]["agrees"] is True and report["checked"]["settled"] is None
    assert kinds_of(report, 2) == [("permuted", 20), ("matched", 20)]
    assert len(report["weights_sha256"]) == 64
    assert {*Path().iterdir()} - before == {Path("out.json")}


def test_without_trials_the_matrix_alone_is_described(files, analyze):
    code, out, _ = analyze("turned.npz --json out.json")
    assert code == 0 and "No trials were given" in out and "Orientation unchecked" in out
    report = written(trials=False)
    assert report["assumed"] == ["activation", "leak"] and "full" not in report["networks"][0]
    assert "activation tanh (assumed)" in out and report["metric"] is None


def test_outputs_settle_what_nobody_says(files, analyze):
    asked = "turned.npz --trials trials.npz --draws 2 --json out.json"
    code, out, err = analyze(asked)
    assert (code, err) == (0, "") and "Settled by the outputs in the trials" in out
    checked = written()["checked"]
    assert checked["agrees"] and checked["settled"].startswith("W_rec is transposed (largest")
    code, out, _ = analyze(f"{asked} --transpose W_rec")
    assert code == 0 and "Settled" not in out and "Checked: the network gives the outputs" in out


def test_outputs_that_disagree_stop_the_analysis(files, analyze, complaint):
    asked = "net.npz --trials relu.npz --draws 2 --json out.json"
    err = complaint(asked, "the activation were relu")
    assert "--activation relu" in err and "--force-unchecked" in err
    code, out, err = analyze(f"{asked} --force-unchecked")
    assert code == 0 and "CHECK FAILED" in out and err.count("\n") == 1
    assert err.startswith("schurkit: warning: ")
    checked = written()["checked"]
    assert checked["agrees"] is False and "the activation were relu" in checked["hint"]
    assert analyze(f"{asked} --tolerance 9")[0] == 0


def test_a_metric_of_ones_own(files, analyze):
    def report(metric):
        asked = "net.npz --trials plain.npz --draws 2 --json - --controls full --control permuted"
        return json.loads(analyze(f"{asked} --metric mine:{metric}")[1])

    found = report("error")
    assert kinds_of(found) == [("permuted", 2), ("matched", 2), ("full", 2)]
    given = np.load("plain.npz")
    outputs = rollout(built(), given["inputs"]).outputs[0]
    value = np.abs(outputs - given["targets"]).mean()
    (network,) = found["networks"]
    assert found["metric"] == "error" and network["to_lose"] > 0
    assert report("score")["networks"][0]["to_lose"] == pytest.approx(network["to_lose"])
    assert network["full"]["value"] == pytest.approx(value)
    assert report("FVU")["metric"] == "fvu"


WRONG = """
turned.npz --activation cube → activation must be one of
net.npz --activation relu → the file says activation 'tanh'
turned.npz --form x → form must be one of
net.npz --leak 2 → the file says leak 1
turned.npz --leak 2 → leak must be
turned.npz --leak nan → leak must be
net.npz --threshold 2 → threshold must be
net.npz --threshold inf → threshold must be
net.npz --seed -1 → seed must be
net.npz --draws 0 → draws must be
net.npz --orders -1 → orders must be
net.npz --control half → control must be one of
net.npz --transpose W → transpose must be one of
net.npz --readout fc → choose layers of a torch state dict
net.npz --trials plain.npz --missing x → missing must be nan or a number
net.npz --trials trials.npz --tolerance 0 → tolerance must be above 0
net.npz --trials trials.npz --tolerance x → invalid float value
net.npz --trials flat.npz → targets do not vary
net.npz --metric fvu → are about trials: give --trials
net.npz --time-major → are about trials: give --trials
net.npz --trials plain.npz --time-major --draws 1 --json → expected one argument
net.npz --metrik fvu → unrecognized arguments
absent.npz → there is no file
→ weights
net.npz --trials plain.npz --metric mine:constant → nobody knows which is better
net.npz --trials plain.npz --metric mine:scalar → must give one value a network, shape (2,)
net.npz --trials plain.npz --metric mine:broken → failed with ZeroDivisionError: division by zero
net.npz --trials plain.npz --metric mine:nothing → cannot be imported (AttributeError
net.npz --trials plain.npz --metric absent:f → cannot be imported (ModuleNotFoundError
net.npz --trials plain.npz --metric r2 → metric must be one of 'fvu'
net.npz --trials trials.npz --json net.npz → would overwrite
net.npz --trials trials.npz --json trials.npz → would overwrite
net.npz --trials trials.npz --json hard.json → would overwrite
net.npz --trials trials.npz --json soft.json → would overwrite
net.npz --trials trials.npz --json plain.npz → name of a file of arrays
net.npz --trials trials.npz --json pipe → not a file that can be written
net.npz --trials trials.npz --json . → not a file that can be written
net.npz --trials trials.npz --json nowhere/out.txt → there is no folder
net.npz --trials trials.npz --json net.npz/out.txt → there is no folder
"""


@pytest.mark.parametrize("words, told", cases(WRONG))
def test_arguments_that_are_wrong(files, complaint, words, told):
    complaint(words, told)


def test_a_result_is_there_whole_or_not_at_all(files, complaint, monkeypatch):
    Path("out.json").write_text("earlier")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    complaint("net.npz --json out.json", "cannot be written: No space left on device")
