"""What several tests of one's own network ask."""

from functools import partial

import pytest

from schurkit import InputError
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
