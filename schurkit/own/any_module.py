"""Any torch module as a network: one square matrix of it, found by name, and the module run with
another matrix in that place. Torch is not imported before it is met.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from schurkit.checks import InputError
from schurkit.rnn import Trials

from .any_network import AnyNetwork
from .contents import shown
from .matching import made_plain, squares
from .torch_files import as_numpy

_CHUNK_BYTES = 64 * 2**20


def from_module(
    module: object,
    name: str,
    *,
    gate: str | int | None = None,
    leak: float = 1.0,
    outputs: Callable | None = None,
    transposed: bool = False,
) -> AnyNetwork:
    """A network from any torch module and the name of one square matrix in it: a layer or direction
    of an nn.RNN, one gate of a GRU or an LSTM, a matrix of a cell of one's own.

    The module is run as it is, in eval mode, with the changed matrix in place of its own; its
    parameters are those of this moment, and nothing of it is changed.

    Parameters
    ----------
    module : torch.nn.Module whose forward takes inputs (trials, time, input) or (time, trials,
        input), on any device; which of the two is found by running a trial alone and behind
        another.
    name : of a parameter or buffer, as in ``module.state_dict()``: "core.weight_hh_l0"; with the
        gate behind it, "core.weight_hh_l0.n", or in `gate`.
    gate : which of the squares that are stacked in it: "r", "z", "n" of a GRU, "i", "f", "g", "o"
        of an LSTM, a position from 0 in other cells.
    leak : dt/τ of the units that the matrix drives, one number or (units,): the Schur form is of
        (1 − leak) I + leak W.
    outputs : from what the module returns to (trials, time, output); by default the tensor that it
        returns, or the first of a tuple. A module that is a bare layer gets its readout here.
    transposed : whether the module multiplies from the left, h @ W: then the transposed matrix is
        the one whose columns drive rows.

    Returns
    -------
    AnyNetwork

    Raises
    ------
    InputError : no such matrix (the message lists those that there are), a stack without a gate, a
        matrix that is computed from others (weight norm), quantised, or stands for two parameters.

    Examples
    --------
    >>> import torch
    >>> layer, readout = torch.nn.GRU(2, 4), torch.nn.Linear(4, 1)
    >>> from_module(layer, "weight_hh_l0", gate="n", outputs=lambda result: readout(result[0]))
    AnyNetwork(weight_hh_l0.n of GRU, 4 × 4, leak=1, float32)
    """
    import torch

    if not isinstance(module, torch.nn.Module) or isinstance(module, torch.jit.ScriptModule):
        raise InputError(
            "from_module needs a torch module, before torch.jit made another of it; got "
            f"{type(module).__name__}."
        )
    module = getattr(module, "_orig_mod", module)  # what torch.compile made would compile again
    name, gate, rows = _place_of(module, str(name), gate)
    held = dict(module.named_parameters()) | dict(module.named_buffers())
    state = {key: _copied(tensor) for key, tensor in held.items()}
    W = as_numpy(state[name][rows])
    return AnyNetwork.of(
        W.T if transposed else W,
        _Run(module, state, name, rows, transposed, outputs),
        name if gate is None else f"{name}.{gate}",
        type(module).__name__,
        leak,
    )


def _copied(tensor):
    """A copy that torch multiplies in the same way: how it folds axes hangs on the gradient."""
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


# ---------------------------------------------------------------------- which matrices a module has
def _gates(owner) -> str:
    """The gates of a torch layer or cell, in the order in which their squares are stacked."""
    from torch import nn

    kinds = {"ifgo": (nn.LSTM, nn.LSTMCell), "rzn": (nn.GRU, nn.GRUCell)}
    return next((gates for gates, kind in kinds.items() if isinstance(owner, kind)), "")


def _is_recurrent(owner, key: str, tensor) -> bool:
    """Whether a tensor may lead from units to themselves: a square, or a torch cell's stack."""
    from torch import nn

    if tensor.ndim != 2 or (
        isinstance(owner, (nn.RNNBase, nn.RNNCellBase)) and not key.startswith("weight_hh")
    ):
        return False
    return len(tensor) == tensor.shape[1] * max(1, len(_gates(owner)))


def _place_of(module, name: str, gate) -> tuple[str, str | None, slice]:
    """The tensor of that name, the gate, and the rows in which its square stands."""
    tensors = dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers())
    if name not in tensors and gate is None and name.rpartition(".")[0] in tensors:
        name, _, gate = name.rpartition(".")
    if name not in tensors:
        raise InputError(_why_unknown(module, tensors, name))
    tensor, (prefix, _, key) = tensors[name], name.rpartition(".")
    if tied := [other for other, one in tensors.items() if one is tensor and other != name]:
        raise InputError(
            f"{name} and {shown(tied)} are one parameter: a removal would change both. Untie them, "
            f"module.{name} = torch.nn.Parameter(module.{name}.detach().clone()), or run the "
            "module with both changed through schurkit.from_callable."
        )
    if not tensor.is_floating_point():
        raise InputError(f"{name} holds {tensor.dtype}; expected floating-point weights.")
    owner = module.get_submodule(prefix)
    gates = [*_gates(owner)]
    if not gates and tensor.ndim == 2 and 0 < tensor.shape[1] < len(tensor):
        count, rest = divmod(*tensor.shape)
        gates = [str(k) for k in range(0 if rest else count)]
    if not gates and gate is None and _is_recurrent(owner, key, tensor):
        return name, None, slice(None)
    if not gates or (_gates(owner) and not _is_recurrent(owner, key, tensor)):
        raise InputError(
            f"{name}, of shape {tuple(tensor.shape)}, is no matrix from units to themselves"
            f"{' with gates' if gate is not None else ''}. {_listed(module)}"
        )
    if str(gate) not in gates:
        raise InputError(
            f"{name} stacks {len(gates)} squares, {tuple(tensor.shape)}: name one by gate=, "
            f"{shown(gates)}; got {gate!r}."
        )
    units = tensor.shape[1]
    start = gates.index(str(gate)) * units
    return name, str(gate), slice(start, start + units)


def _listed(module) -> str:
    """The square matrices of a module in one sentence."""
    shapes, kind = {}, type(module).__name__
    for prefix, owner in module.named_modules():
        own = [*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)]
        for key, tensor in own:
            if _is_recurrent(owner, key, tensor):
                shapes[f"{prefix}{'.' * bool(prefix)}{key}"] = tuple(tensor.shape)
    if named := squares(shapes):
        return f"Square matrices of {kind}: {shown(named, 16)}."
    return f"{kind} holds no square matrix by name."


def _why_unknown(module, tensors, name: str) -> str:
    """What to do about a name that is no parameter: computed from others, packed, or not there."""
    calls = made_plain(tensors, "module")
    for one in {name, name.rpartition(".")[0]} & calls.keys():
        return (
            f"{one} is computed from other parameters at each call. To go on, make it one of its "
            f"own: {calls[one]}."
        )
    packed = [kind for one in module.modules() if "quantized" in (kind := type(one)).__module__]
    if packed:
        return (
            f"{shown([name])} is no parameter: the weights of {packed[0].__name__} are quantised. "
            "Take the module as it was before."
        )
    return f"no parameter of the module is called {shown([name])}. {_listed(module)}"


# ----------------------------------------------------------------------------------- how it is run
@contextmanager
def _evaluated(module):
    """The module in eval mode and without gradients; as it was afterwards."""
    import torch

    modes = {one: one.training for one in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for one, mode in modes.items():
            one.training = mode


@dataclass
class _Run:
    """A module with another matrix in the place of one of its own: (W, trials) → outputs; `order`
    says whether inputs, and outputs, are time-major, and is found at the first run.
    """

    module: object
    state: dict
    name: str
    rows: slice
    transposed: bool
    outputs: Callable | None
    order: tuple | None = None

    def __call__(self, W, trials: Trials) -> np.ndarray:
        import torch

        if getattr(trials, "h0", None) is not None:
            raise InputError(
                "the trials bring starts (h0), which a module is not given: run it with them "
                "through schurkit.from_callable."
            )
        inputs = np.pad(trials.inputs, ((0, 0), (0, trials.autonomous), (0, 0)))
        width = sum(len(tensor) for tensor in self.state.values() if tensor.ndim == 2)
        block = max(1, _CHUNK_BYTES // (W.itemsize * inputs.shape[1] * max(1, width)))
        with _evaluated(self.module):
            if self.order is None:
                self.order = self._find_order(inputs)
            changed = _copied(self.state[self.name])
            changed[self.rows] = torch.from_numpy(W.T if self.transposed else W).to(changed)
            state = self.state | {self.name: changed}
            starts = range(0, len(inputs), block)
            return np.concatenate(
                [self._forward(state, inputs[at : at + block], *self.order) for at in starts]
            )

    def _find_order(self, inputs) -> tuple[bool, bool]:
        """That in which a trial has the same outputs alone and behind another."""
        import torch

        pair, rounding = inputs[[0, -1]], torch.finfo(self.state[self.name].dtype).eps ** 0.5
        error = None
        for order in ((False, False), (True, True), (True, False), (False, True)):
            try:
                behind, alone = (self._forward(self.state, x, *order) for x in (pair, pair[1:]))
            except InputError:
                raise
            except Exception as raised:  # whatever a module of someone else's raises
                error = error or raised
                continue
            scale = np.abs(alone).max(initial=0, where=np.isfinite(alone))
            same = partial(np.allclose, rtol=0, atol=rounding * scale, equal_nan=True)
            if behind[1:].shape == alone.shape and same(behind[1:], alone):
                return order
        kind = type(self.module).__name__
        if error is not None:
            raise InputError(
                f"{kind} could not run inputs of shape {inputs.shape} (trials, time, input): "
                f"{shown(str(error).partition(chr(10))[0])[:160]}. If it needs more than inputs, "
                "run it through schurkit.from_callable."
            ) from error
        raise InputError(
            f"the outputs of {kind} for one trial depend on the other trials or on the call before "
            "(noise, a state that is kept, axes in another order): give each trial its own, "
            "(trials, time, output), by outputs= or schurkit.from_callable."
        )

    def _forward(self, state, inputs, inputs_by_time: bool, outputs_by_time: bool) -> np.ndarray:
        import torch

        x = inputs.swapaxes(0, 1) if inputs_by_time else inputs
        x = torch.from_numpy(np.ascontiguousarray(x)).to(state[self.name])
        result = torch.func.functional_call(self.module, state, x)
        if self.outputs is not None:
            result = self.outputs(result)
        elif isinstance(result, tuple):
            result = result[0]
        if not isinstance(result, torch.Tensor) or result.ndim < 2:
            given = getattr(result, "shape", type(result).__name__)
            raise InputError(
                f"{type(self.module).__name__} gave {given}; expected a tensor (trials, time, "
                "output): outputs= a function to it."
            )
        result = as_numpy(result)
        return result.swapaxes(0, 1) if outputs_by_time else result
