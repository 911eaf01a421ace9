"""Any torch module and any callable as a network, held against what they give themselves."""

import itertools

import numpy as np
import pytest
from examined import refusals, refused
from helpers import apart, gauss, random_rnn, random_trials, self_trials
from samples import Net, TwoAreas

import schurkit as sk
from schurkit import Trials
from schurkit.own import any_module

torch = pytest.importorskip("torch")
prune = pytest.importorskip("torch.nn.utils.prune")
nn, utils = torch.nn, torch.nn.utils


class Gated(Net):
    """A gated layer with a linear readout; time-major inside, and outside unless `batch_first`."""

    def __init__(self, layer=nn.GRU, swapped=False, **layout):
        super().__init__(layer, (2, 5, 1), **layout)
        self.drop, self.swapped = nn.Dropout(0.5), swapped

    def forward(self, x):
        x = x.transpose(0, 1) if self.swapped else x
        y = self.fc(self.drop(self.rnn(x)[0]))
        return y.transpose(0, 1) if self.swapped else y


def built(make=lambda: Gated(batch_first=True), dtype=torch.float64):
    torch.manual_seed(0)
    return make().to(dtype)


def trials_of(**sizes):
    return random_trials(**{"steps": 9, "autonomous": 0, "outputs": 1} | sizes)


def as_it_is(network, trials):
    """The outputs with the matrix that the network has."""
    return network.outputs_with(network.W_rec, trials)[0]


@torch.no_grad()
def said(module, trials, dtype=torch.float64):
    """What the module itself answers."""
    return module.eval()(torch.tensor(trials.inputs, dtype=dtype)).double().numpy()


# ------------------------------------------------------------------- one matrix in a module
LSTM_LAYERS = [f"rnn.weight_hh_l{k}{end}" for k in (0, 1) for end in ("", "_reverse")]


@pytest.mark.parametrize(
    "make, parameters, ends",
    [
        (lambda: Gated(batch_first=True), ["rnn.weight_hh_l0"], (".r", ".z", ".n")),
        (
            lambda: Gated(nn.LSTM, num_layers=2, bidirectional=True, batch_first=True),
            LSTM_LAYERS,
            (".i", ".f", ".g", ".o"),
        ),
        (TwoAreas, ["within_a", "within_b"], ("",)),
    ],
)
def test_every_named_matrix_is_replaced_alone_and_analysed(make, parameters, ends):
    module, trials = built(make), trials_of()
    own = said(module, trials)
    asked = Trials(trials.inputs, own)
    for parameter, (at, end) in itertools.product(parameters, enumerate(ends)):
        network = sk.from_module(module, parameter + end)
        profile = sk.ablation_profile(network, asked, draws=2)
        assert profile.networks == (parameter + end,) and profile.intact[0] == 0
        W = network.W_rec[0] + gauss(*network.W_rec[0].shape)
        given = network.outputs_with(np.stack([network.W_rec[0], W]), trials)
        changed = built(make)
        with torch.no_grad():
            changed.get_parameter(parameter).chunk(len(ends))[at][:] = torch.from_numpy(W)
        assert np.array_equal(given[0], own) and apart(given[1], own) > 1e-3
        assert apart(given[1], said(changed, trials)) < 1e-12
    refused(lambda: sk.from_module(module, "W_rec"), "W_rec. Square matrices of", *parameters)


def loop(rnn, trials):
    """The outputs of an RNN as a function of its recurrent matrix."""

    return lambda W: sk.rollout(rnn.with_W_rec(W), trials).outputs[0]


@pytest.mark.parametrize("leak", [1.0, 0.3, np.linspace(0.2, 0.9, 7)])
def test_a_callable_has_the_profile_of_the_network_that_it_runs(leak, monkeypatch):
    rnn = random_rnn(1, leak=leak)
    trials = self_trials(rnn, 8)
    network, held = sk.from_callable(rnn.W_rec[0], loop(rnn, trials), leak), []
    asked = type(network).outputs_with
    monkeypatch.setattr(
        type(network), "outputs_with", lambda self, W, t: held.append(len(W)) or asked(self, W, t)
    )
    monkeypatch.setattr("schurkit.ablation.rollouts.OUTPUT_BYTES", 5 * trials.targets.nbytes)
    expected, profile = (sk.ablation_profile(one, trials, draws=3) for one in (rnn, network))
    assert np.allclose(profile.effect, expected.effect, atol=1e-6, equal_nan=True)
    for kind, effects in expected.controls.items():
        assert np.allclose(profile.controls[kind], effects, atol=1e-5, equal_nan=True)
    assert profile.n_leading == expected.n_leading and profile.networks == ("W",)
    assert max(held) == 5 and profile.controls_dtype == ("float64",)


def test_a_transposed_matrix():
    layer, readout, trials = nn.RNN(2, 6), nn.Linear(6, 1), trials_of(trials=7, steps=7)
    given = {"outputs": lambda result: readout(result[0])}
    plain = sk.from_module(layer, "weight_hh_l0", **given)
    layer.weight_hh_l0.data = layer.weight_hh_l0.data.T.contiguous()
    turned = sk.from_module(layer, "weight_hh_l0", **given, transposed=True)
    assert np.array_equal(turned.W_rec, plain.W_rec)
    W = gauss(1, 6, 6)
    outputs = turned.outputs_with(W, trials), plain.outputs_with(W.swapaxes(1, 2), trials)
    assert np.array_equal(*outputs)


# ------------------------------------------------------------------------------ how a module is run
@pytest.mark.parametrize("layout", [{"batch_first": True}, {}, {"swapped": True}])
@pytest.mark.parametrize(
    "trials",
    [
        trials_of(),
        trials_of(trials=9),
        trials_of(trials=1),
        Trials(np.ones((4, 5, 2)), np.zeros((4, 5, 1))),
    ],
)
def test_the_order_of_axes_is_found(layout, trials):
    network = sk.from_module(built(lambda: Gated(**layout)), "rnn.weight_hh_l0.z")
    expected = said(built(), trials)
    assert apart(as_it_is(network, trials), expected) < 1e-12


def test_the_module_stays_as_it_was_and_later_training_changes_nothing():
    module, trials = built(), trials_of()
    module.fc.eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    network = sk.from_module(module, "rnn.weight_hh_l0", gate="n")
    first = network.outputs_with(network.W_rec / 2, trials)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert module.training and module.rnn.training and not module.fc.training
    assert module.rnn.weight_hh_l0.requires_grad and module.rnn.weight_hh_l0.grad is None
    with torch.no_grad():
        module.fc.weight.mul_(3)
        module.rnn.weight_hh_l0.mul_(3)
    assert np.array_equal(network.outputs_with(network.W_rec / 2, trials), first)


def test_trials_run_in_blocks_and_on_after_their_inputs(monkeypatch):
    module, trials = built(), trials_of()
    longer = Trials(trials.inputs[:, :4], trials.targets)
    network = sk.from_module(module, "rnn.weight_hh_l0.r")
    whole = as_it_is(network, longer)
    padded = np.pad(longer.inputs, ((0, 0), (0, 5), (0, 0)))
    assert apart(whole, said(module, Trials(padded, trials.targets))) < 1e-12
    sizes = []
    module.rnn.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    monkeypatch.setattr(any_module, "_CHUNK_BYTES", 8 * 9 * 32 * 4)
    assert apart(as_it_is(network, longer), whole) < 1e-14
    assert max(sizes) <= 4 and sum(sizes) == 6


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_the_module_keeps_its_precision(dtype):
    module, trials = built(dtype=getattr(torch, dtype)), trials_of()
    network = sk.from_module(module, "rnn.weight_hh_l0.n")
    assert network.dtype == ("float64" if dtype == "float64" else "float32")
    own = said(module, trials, getattr(torch, dtype))
    assert np.array_equal(as_it_is(network, trials), own)


def test_what_it_is_is_printed():
    stack = sk.from_module(nn.ModuleDict({"h2h": nn.Linear(3, 6)}), "h2h.weight", gate=1)
    assert repr(stack) == "AnyNetwork(h2h.weight.1 of ModuleDict, 3 × 3, leak=1, float32)"
    named = sk.from_callable(np.eye(2), loop, np.full(2, 0.5))
    assert repr(named) == "AnyNetwork(W of loop, 2 × 2, leak per unit, float64)"


# ------------------------------------------------------------------------------------- messages
def tied():
    module = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})
    module["b"].weight = module["a"].weight
    return module


def quantised():
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(2, 4)), {nn.LSTM})


def buffer(dtype=torch.float32):
    """A reservoir's matrix is a buffer."""
    module = nn.Module()
    module.register_buffer("W", torch.eye(3, dtype=dtype))
    return module


def gru():
    return nn.ModuleDict({"core": nn.GRU(2, 4, 2)})


REFUSED = [
    (lambda: buffer(torch.int8), "W", "W holds torch.int8; expected floating-point"),
    (lambda: nn.GRUCell(4, 4), "W", "of GRUCell: weight_hh.r/.z/.n (4 × 4)."),
    (
        gru,
        "W",
        "no parameter of the module is called W. Square matrices of ModuleDict: "
        "core.weight_hh_l0.r/.z/.n (4 × 4), core.weight_hh_l1.r/.z/.n (4 × 4).",
    ),
    (
        gru,
        "core.weight_hh_l0",
        "stacks 3 squares, (12, 4): name one by gate=, r, z, n; got None",
    ),
    (gru, "core.weight_hh_l0", "o", "by gate=, r, z, n; got 'o'"),
    (gru, "core.weight_ih_l1", "n", "weight_ih_l1, of shape (12, 4), is no matrix from units"),
    (gru, None, "n", "no parameter of the module is called None. Square matrices of"),
    (gru, "core.bias_hh_l0", "core.bias_hh_l0, of shape (12,), is no matrix from units"),
    (lambda: nn.Linear(3, 3), "weight", "n", "(3, 3), is no matrix from units to themselves with"),
    (
        lambda: nn.Linear(3, 9),
        "weight",
        "stacks 3 squares, (9, 3): name one by gate=, 0, 1, 2",
    ),
    (lambda: nn.Linear(3, 4), "weight", "(4, 3), is no matrix from units to themselves. Lin"),
    (
        lambda: nn.LSTM(2, 8, proj_size=2),
        "weight_hh_l0",
        "g",
        "of shape (32, 2), is no matrix from",
    ),
    (lambda: nn.Linear(2, 3), "x", "called x. Linear holds no square matrix by name."),
    (
        lambda: "net.pt",
        "x",
        "from_module needs a torch module, before torch.jit made another of it; got str",
    ),
    (lambda: torch.jit.script(nn.Linear(3, 3)), "weight", "got RecursiveScriptModule"),
    (
        tied,
        "b.weight",
        "b.weight and a.weight are one parameter: a removal would change both",
    ),
    (
        quantised,
        "0.weight_hh_l0",
        "the weights of LSTM are quantised. Take the module as it was before",
    ),
]


test_a_matrix_that_is_not_there = pytest.mark.filterwarnings("ignore")(
    refusals(lambda make, name, gate=None: sk.from_module(make(), name, gate=gate), REFUSED)
)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["rnn.weight_hh_l0", "rnn.weight_hh_l0.n"])
@pytest.mark.parametrize(
    "wrap",
    [
        utils.parametrizations.weight_norm,
        utils.parametrizations.spectral_norm,
        utils.weight_norm,
        utils.spectral_norm,
        lambda layer, key: prune.random_unstructured(layer, key, 0.3),
    ],
)
def test_advice_for_a_matrix_that_is_computed_works(wrap, name):
    module, trials = built(), trials_of()
    wrap(module.rnn, "weight_hh_l0")
    own = said(module, trials)
    text = refused(lambda: sk.from_module(module, name), "computed from other parameters at each")
    exec(text.split("of its own: ")[1].rstrip("."), {"torch": torch, "module": module})
    network = sk.from_module(module, "rnn.weight_hh_l0.n")
    assert apart(as_it_is(network, trials), own) < 1e-12


def test_advice_for_a_tied_matrix_works_and_buffers_are_matrices():
    assert sk.from_module(buffer(), "W").hidden_size == 3
    module = tied()
    text = refused(lambda: sk.from_module(module, "b.weight"))
    advice = text.split("Untie them, ")[1].split(", or run")[0]
    exec(advice.replace("module.b", "module['b']"), {"torch": torch, "module": module})
    assert sk.from_module(module, "b.weight").hidden_size == 3


class Ends(nn.Module):
    """A module whose forward ends as it is told."""

    def __init__(self, end):
        super().__init__()
        self.core, self.end, self.calls = nn.RNN(2, 4, batch_first=True), end, 0

    def forward(self, x):
        self.calls += 1
        return self.end(self, self.core(x)[0])


def answers(outputs):
    return sk.from_callable(np.eye(2), lambda W: outputs)


def ends(end):
    return sk.from_module(Ends(end), "core.weight_hh_l0")


test_outputs_that_are_none = refusals(
    lambda network: sk.ablation_profile(network, trials_of(outputs=4)),
    [
        (
            ends(lambda self, y: {"y": y}),
            "gave dict; expected a tensor (trials, time, output)",
        ),
        (ends(lambda self, y: y + self.calls), "for one trial depend on the other trials or on"),
        (ends(lambda self, y: y - y.mean(0)), "for one trial depend on the other trials or on"),
        (ends(lambda self, y: y.mean()), "Ends gave torch.Size([]); expected a tensor (trials, ti"),
        (
            ends(lambda self, y: y[:, -1]),
            "gave outputs of shape (6, 4) (float32); expected real numbers "
            "with axes (trials, time, output) like the targets, (6, 9, 4). If this is the last",
        ),
        (
            ends(lambda self, y: y.nothing),
            "could not run inputs of shape (6, 9, 2) (trials, time, input): "
            "'Tensor' object has no attribute 'nothing'. If it needs more than inputs, run it",
        ),
        (
            sk.from_module(nn.RNN(2, 4), "weight_hh_l0", outputs=lambda result: result[1][0]),
            "If this is the last step of each trial",
        ),
        (answers(np.zeros((9, 6, 4))), "These look time-major: swap the first two axes."),
        (answers(np.zeros((6, 4))), "If this is the last step of each trial"),
        (answers(np.zeros((6, 9, 4), complex)), "(complex128); expected real numbers"),
        (answers(None), "<lambda> gave outputs of shape () (object)"),
        (answers(np.zeros((6, 9, 2))), "gave outputs of shape (6, 9, 2)"),
    ],
)


def test_advice_for_a_module_that_gives_the_last_step_works():
    module, trials = Ends(lambda self, y: y[:, -1]), trials_of(outputs=4)
    last = Trials(trials.inputs, trials.targets, mask=np.arange(9) == 8)
    network = sk.from_module(
        module, "core.weight_hh_l0", outputs=lambda y: y.reshape(len(y), 1, 4).repeat(1, 9, 1)
    )
    every = sk.from_module(module.core, "weight_hh_l0")
    given, expected = (as_it_is(one, last)[None] for one in (network, every))
    assert sk.fvu(given, last) == pytest.approx(sk.fvu(expected, last), rel=1e-6)


def test_starts_of_trials_are_not_given_to_a_module():
    trials = trials_of(outputs=4)
    started = Trials(trials.inputs, trials.targets, h0=np.ones((6, 4)))
    network = ends(lambda self, y: y)
    told = "bring starts (h0), which a module is not given"
    refused(lambda: sk.ablation_profile(network, started), told)


test_matrices_that_are_none = refusals(
    sk.from_callable,
    [
        (np.ones((2, 3)), loop, 1, "W must have axes (units, units), with equal sizes"),
        (np.ones((0, 0)), loop, 1, "W must hold at least one unit; got shape (0, 0)"),
        ([[1.0]], "run", 1, "run must be a function of W that gives outputs; got 'run'"),
        ([[1.0]], loop, 2, "leak must be at most 1; got 2"),
        ([[1.0]], loop, [0.5, 0.5], "leak must be one number, or 1"),
    ],
)


def test_what_needs_the_equation_says_so():
    network, told = answers(np.zeros((6, 9, 1))), "only its outputs are known. schurkit.measure and"
    refused(lambda: sk.coupling_map(network, trials_of()), told)
    refused(lambda: sk.ablation.refit_readout(network, trials_of()), told)
