"""What several tests of one's own network ask."""

from functools import partial

import pytest
from helpers import gauss

from schurkit import InputError, Trials, rollout
from schurkit.own import examine

examined = partial(examine, metric="fvu")
"""An analysis with the metric that `analyze` has by default."""


def refused(ask, *words):
    """What a call says that is refused: one line, with these words."""
    with pytest.raises(InputError) as error:
        ask()
    text = str(error.value)
    assert "\n" not in text and all(word in text for word in words), text
    return text


def refusals(call, cases):
    """A test of a call that is refused with words: (what it is given …, the words) each."""

    @pytest.mark.parametrize("case", cases)
    def test(case):
        *given, words = case
        refused(lambda: call(*given), words)

    return test


def noisy_trials(rnn, n=12, steps=9):
    """Trials whose targets are about what the first network does, and what all of them do."""
    inputs = gauss(n, steps, rnn.input_size, seed=3)
    outputs = rollout(rnn, inputs).outputs
    return Trials(inputs, outputs[0] + 0.1 * gauss(*outputs[0].shape, seed=4)), outputs
