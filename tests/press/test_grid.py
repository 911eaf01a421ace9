"""The grid of a sweep: read strictly, never evaluated."""

import re
from itertools import count

import numpy as np
import pytest
from helpers import refuses
from press.small_book import cases

from schurkit_press.parameters import Parameter
from schurkit_press.sweep.grid import read_grid

KINDS = {
    "seed": "int",
    "rate": "float",
    "plot": "bool",
    "title": "str",
    "sizes": "list[int]",
    "rates": "list[float]",
    "words": "list[str]",
}
PARAMETERS = {name: Parameter(name, kind, None, "") for name, kind in KINDS.items()}
PARAMETERS["start"] = Parameter(
    "start", "Literal['dense', 'cayley']", "dense", "", ("dense", "cayley")
)


def read(*texts):
    return read_grid(texts, PARAMETERS, "small")


@pytest.mark.parametrize(
    ("text", "values"),
    cases("""
seed=3 → [3]
seed=0:4 → [0, 1, 2, 3]
seed=2:9:3 → [2, 5, 8]
seed=5:2:-1 → [5, 4, 3]
seed=-2:1 → [-2, -1, 0]
seed=7,0:2, 9 → [7, 0, 1, 9]
seed=10000000000000000000000000000000000:10000000000000000000000000000000001 →
    [10000000000000000000000000000000000]
rate=1e-3,.5,2 → [0.001, 0.5, 2.0]
rate=0:1:0.1 → [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
rate=0.1:0.35:0.1 → [0.1, 0.2, 0.3]
rate=1:3 → [1.0, 2.0]
rate=3e-3:1e-3:-1e-3 → [0.003, 0.002]
plot=true,False → [True, False]
title=a,b c → ['a', 'b c']
title=0:3 → ['0:3']
title=__import__('os').system(1) → ["__import__('os').system(1)"]
title=a=b → ['a=b']
title={"bits": 1, "steps": 9},x → ['{"bits": 1, "steps": 9}', 'x']
start=cayley,dense → ['cayley', 'dense']
sizes=[1,2],[3] → [[1, 2], [3]]
sizes=[],[3] → [[], [3]]
rates=[1e-3,2],[0.5] → [[0.001, 2.0], [0.5]]
words=[a,b] → [['a', 'b']]
"""),
)
def test_values(text, values):
    assert repr(read(text)[text.split("=")[0]]) == values  # which shows the kinds


@pytest.mark.parametrize(
    ("texts", "message"),
    cases("""
        → a sweep needs at least one parameter to vary, as in --grid seed=0:20.
sed=1 → small has no parameter 'sed'; did you mean 'seed'?
seed → --grid takes name=values, as in seed=0:20; got 'seed'.
=1 → --grid takes name=values, as in seed=0:20; got '=1'.
seed=1 seed=2 → parameter 'seed' is given twice; list its values in one, as in seed=1,2.
seed= → parameter seed takes a whole number; got ''.
seed=1,,2 → parameter seed takes a whole number; got ''.
seed=1.0 → parameter seed takes a whole number; got '1.0'.
seed=1e3 → parameter seed takes a whole number; got '1e3'.
seed=1+1 → parameter seed takes a whole number; got '1+1'.
seed=true → parameter seed takes a whole number; got 'true'.
seed=0:3.5 → parameter seed takes a whole number; got '3.5'.
seed=:3 → parameter seed: a range is first:end or first:end:step, without its end, as in 0:20;
    got ':3'.
seed=0: → parameter seed: a range is first:end or first:end:step, without its end, as in 0:20;
    got '0:'.
seed=0:1:2:3 → parameter seed: a range is first:end or first:end:step, without its end, as in
    0:20; got '0:1:2:3'.
seed=0:3:0 → parameter seed: the step of a range must not be 0; got '0:3:0'.
seed=3:3 → parameter seed: the range 3:3 is empty (it ends before 3).
seed=3:0 → parameter seed: the range 3:0 is empty (it ends before 0).
seed=1,0:3 → parameter seed is given 1 twice.
rate=0.001,1e-3 → parameter rate is given 0.001 twice.
rate=nan → parameter rate takes a number such as 0.5 or 1e-3; got 'nan'.
rate=0:inf → parameter rate takes a number such as 0.5 or 1e-3; got 'inf'.
rate=one → parameter rate takes a number such as 0.5 or 1e-3; got 'one'.
plot=1 → parameter plot takes true or false; got '1'.
plot=true,True → parameter plot is given True twice.
start=densed → parameter start takes one of 'dense', 'cayley'; got 'densed'.
sizes=1,2 → parameter sizes is a list: write each of its values in brackets, as in
    sizes=[1,2],[3]; got '1,2'.
sizes=[1,[2] → parameter sizes is a list: write each of its values in brackets, as in
    sizes=[1,2],[3]; got '[1,[2]'.
sizes=[1,x] → parameter sizes takes a list of whole numbers such as 1,2,3; got '[1,x]'.
sizes=[1],[1] → parameter sizes is given [1] twice.
seed=0:1000000000 → this grid asks for 100,001 runs or more; at most 100,000 are taken in one
    sweep.
seed=0:1000 rate=0:1000 → this grid asks for 1,000,000 runs or more; at most 100,000 are taken in
    one sweep.
"""),
)
def test_what_is_refused(texts, message):
    refuses(f"^{re.escape(message)}$", read, *texts.split())


@pytest.mark.parametrize(
    ("given", "found"),
    cases("""
{"seed": "0:3", "rate": [1, 0.5]} → {'seed': [0, 1, 2], 'rate': [1.0, 0.5]}
{"seed": np.arange(2), "rate": np.array([0.1])} → {'seed': [0, 1], 'rate': [0.1]}
{"seed": ["1"], "plot": True} → {'seed': [1], 'plot': [True]}
{"seed": 5, "sizes": [[1, 2], (3,)]} → {'seed': [5], 'sizes': [[1, 2], [3]]}
{"title": ["a", "b,c"], "start": ["dense"]} → {'title': ['a', 'b,c'], 'start': ['dense']}
"""),
)
def test_values_from_python(given, found):
    assert repr(read_grid(eval(given, {"np": np, "count": count}), PARAMETERS, "small")) == found


@pytest.mark.parametrize(
    ("given", "message"),
    cases("""
{"seed": [1.0]} → parameter seed takes a whole number; got 1.0.
{"seed": [True]} → parameter seed takes a whole number; got True.
{"seed": []} → parameter seed is given no value.
{"seed": None} → parameter seed takes a sequence of values; got NoneType.
{"sizes": [1, 2]} → parameter sizes takes a list of whole numbers such as 1,2,3; got 1.
{"rate": [np.nan]} → parameter rate takes a number such as 0.5 or 1e-3; got nan.
{"seed": count()} → this grid asks for 100,001 runs or more; at most 100,000 are taken in one sweep.
"""),
)
def test_what_is_refused_from_python(given, message):
    refuses(
        f"^{re.escape(message)}$",
        read_grid,
        eval(given, {"np": np, "count": count}),
        PARAMETERS,
        "small",
    )
