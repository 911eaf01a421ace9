"""What a chapter cannot have is refused before anything runs: exit code 2, and one line that names
the parameter; a sweep and a plain papermill run refuse the same.
"""

from functools import cache

import pytest
from helpers import refuses
from papermill import execute_notebook
from papermill.exceptions import PapermillExecutionError
from press.small_book import REPOSITORY, cases
from rerun import chapter

from schurkit.__main__ import main
from schurkit_press import chapters as chapter_files
from schurkit_press import run as runs
from schurkit_press.parameters import check_cells

ILLEGAL = """
the_wheel → hidden_size=7 symbols=0 replay=0 threshold=2 sequences=0 first_seed=-1 network=3
schur_coordinates → orders=0 draws=0 steps=1 resolution=1 threshold=0 hidden_size=71 networks=0
copy_task → draws=0 orders=0 threshold=2 sizes=[71] sizes=[] channels=0 networks=100000000 replay=0
flip_flop → draws=0 orders=0 threshold=2 bits=0 steps=0 pulse_probability=1.5 start=one
flip_flop → hidden_size=2
sine → draws=0 orders=0 threshold=-1 slowest=0.7 fastest=0.01 cues=-1 steps=1 reading_networks=-1
context_integration → draws=0 coherences=1 target=none noise=-1 threshold=nan orders=0 networks=0
across_tasks → draws=0 points=1 leak=0 leak=2 threshold=2 variant_networks=-1 training_steps=0
mechanism_or_basis → draws=0 amplitudes=[1,0] retraining_steps=0 retrained_networks=0 threshold=1.1
subspace_or_coupling → draws=0 orders=0 signals=0 threshold=0 test_trials=0 hidden_size=one
explore → networks=21 draws=0 copy_trials=0 test_trials=100000 threshold=2 training_steps=3
your_own_network → first_delay=9 last_delay=2 steps=8 leak=0 gated=-1 draws=0 learning_rate=0
your_own_task → task=nothing:Here task=unknown task_fields=[1 draws=0 biases=2 threshold=2
many_seeds → counts=[0] counts=[] cost_sizes=[1] resamples=0 planned=0 cores=0 draws=0 sizes=[16,x]
how_fast → report=/etc/passwd cores=-1 seconds=0 steps=0 networks=0 couplings=0 batch_size=0
delayed_discrimination → draws=0 orders=0 threshold=2 networks=100000000 shortest=21 sample=3
path_integration → draws=0 orders=0 threshold=2 networks=0 dimensions=4 first_seed=-1 hidden_size=2
three_levels → networks=0 test_trials=1 rest_starts=0 first_seed=-1 hidden_size=0 widths=[1]
three_levels → hidden_size=3 rank=400 delays=25 starts=0 pif_starts=0 grid_ranks=[65]
three_levels → rank=0 grid_delays=[0]
knobs → rank=0 other_rank=0 embedding=0 dsa_starts=0 dsa_trials=1 nuclear=[-1] l1=[-1]
knobs → networks=0 gammas=[0] widths=[1] test_trials=1 sample=5 pif_starts=0 wide_pif_starts=2
is_the_profile_degenerate → networks=0 orders=0 threshold=2 gammas=[-1] knob_networks=0
modular_addition → key_share=0 subsets=0 watched=-1 split_seed=-1 weight_decay=-1 other_steps=0
modular_addition → p=112 networks=0 draws=0 training_steps=0 train_fraction=2
recipe_or_network → clean_up=0 age=0 level=1 sparse_at_most=0 most_steps=0 decays=[-1]
recipe_or_network → networks=0 draws=0 p=58 first_seed=-1
schur_meets_fourier → thresholds=[0] couplings=0 trials=1 running_steps=0 running_decay=-1
is_the_profile_degenerate → rank=400 rank=0 embedding=0 pif_starts=0
schur_meets_fourier → networks=0 running_p=58 draws=0 training_steps=0 key=1 operands=2
"""
CHAPTERS = cache(chapter_files.chapters)
GIVEN = [(name, *one.split("=", 1)) for name, given in cases(ILLEGAL) for one in given.split()]


@pytest.fixture(autouse=True)
def _read_once(monkeypatch):
    monkeypatch.setattr(chapter_files, "chapters", CHAPTERS)


@pytest.mark.parametrize(("name", "parameter", "value"), GIVEN)
def test_a_run_is_refused_before_it_starts(name, parameter, value, monkeypatch, capsys):
    monkeypatch.setattr(runs, "run_jobs", None)
    assert main(["run", name, "--book", str(REPOSITORY), "-p", parameter, value]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert parameter in line


def test_a_sweep_looks_at_every_point_first(capsys):
    grid = ["--grid", "slowest=0.1,0.5", "--grid", "fastest=0.4,0.6", "--grid", "networks=9999"]
    assert main(["sweep", "sine", "--book", str(REPOSITORY), *grid, "--dry-run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "slowest must keep slowest ≤ fastest ≤ 3.14; got slowest = 0.5, fastest = 0.4."
    )


@pytest.mark.book
def test_plain_papermill_is_refused_by_the_first_code_cell():
    said = "the chapter has no parameter 'sample'; it has first_seed, hidden_size"
    path = REPOSITORY / "notebooks" / "the_wheel.ipynb"
    how = {"kernel_name": "python3", "progress_bar": False, "cwd": str(path.parent)}
    with pytest.raises(PapermillExecutionError, match=said) as caught:
        execute_notebook(str(path), None, {"sample": 3}, **how)
    assert "nb.check_parameters()" in caught.value.source
    (cell,) = [c for c in chapter("the_wheel")["cells"] if "parameters" in str(c["metadata"])]
    for given, message in (
        ("sequences = 'many'", "parameter sequences takes a whole number; got 'many'."),
        ("threshold = 2", "threshold must keep 0 < threshold ≤ 1; got threshold = 2.0."),
    ):
        refuses(message, check_cells, ["".join(cell["source"]), f"# Parameters\n{given}\n"])
