"""Tasks by name: the book's, a reader's own module, and every way to get it wrong."""

import re
import sys
from dataclasses import is_dataclass

import pytest
from helpers import refuses
from press.small_book import cases

from schurkit import tasks
from schurkit.tasks import FlipFlop, load_task

MODULE = """
from dataclasses import dataclass
from typing import ClassVar
from schurkit.tasks import FlipFlop

@dataclass(frozen=True)
class Fewer(FlipFlop):
    bits: int = 2
    sizes: tuple = ()
    name: ClassVar[str] = "fewer"

@dataclass(frozen=True)
class Empty:
    size: int = 1

plain = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "reader_tasks.py").write_text(MODULE)
    (tmp_path / "reader_broken.py").write_text("import no_such_package_of_the_reader\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("reader_tasks", "reader_broken"):
        sys.modules.pop(name, None)


KINDS = [
    kind
    for kind in vars(tasks).values()
    if is_dataclass(kind) and isinstance(getattr(kind, "name", None), str)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_of_the_package_is_loaded_by_its_name(kind):
    # what a training costs is told from the sizes alone
    assert kind().test_trials(2).targets.shape[-2] == kind().steps
    assert load_task(kind.name) == load_task(kind.name, {}) == load_task(kind.name, "{}") == kind()


def test_fields_come_as_a_mapping_or_as_json():
    for fields in ({"bits": 2, "steps": 9}, '{"steps": 9, "bits": 2}'):
        assert load_task("flip_flop", fields) == FlipFlop(2, 9)


def test_a_class_of_the_readers_own(module):
    task = load_task("reader_tasks:Fewer", '{"steps": 5, "sizes": [1, 2]}')
    assert (task.bits, task.steps, task.sizes, task.name) == (2, 5, (1, 2), "fewer") and hash(task)


@pytest.mark.parametrize(
    "asked, message",
    cases("""
flipflop → one of copy, flip_flop, sine, context_integration, delayed_discrimination,
    path_integration, sine_generation, modular_addition, running_sum, or 'module:Class'; got
    'flipflop'. Did you mean 'flip_flop'?
__import__('os').system('true') → a task is one of
FlipFlop(bits=2) → a task is one of
../reader_tasks.py:Fewer → a task is one of
reader_tasks:Fewer.name → a task is one of
no_such_module:Task → there is no module 'no_such_module' on Python's path: put no_such_module.py
    beside the notebook
reader_tasks.deeper:Task → there is no module 'reader_tasks.deeper' on Python's path
reader_tasks:Missing → module 'reader_tasks' has no 'Missing'.
reader_tasks:plain → reader_tasks:plain must be a dataclass that follows
reader_tasks:Empty → a task needs name, input_size
flip_flop {"bit": 2} → flip_flop has no field 'bit'; it has bits, steps, pulse_probability,
flip_flop {"bits": 0} → bits must be at least 1
flip_flop {"bits": "two"} → bits must be
flip_flop {bits: 2} → fields must be a JSON object
flip_flop [2] → fields must be a JSON object
"""),
)
def test_messages(module, asked, message):
    refuses(re.escape(message), load_task, *asked.split(maxsplit=1))


def test_a_name_is_text():
    refuses("the name of a task must be text; got int.", load_task, 3)


def test_what_the_readers_module_lacks_is_its_own_message(module):
    with pytest.raises(ModuleNotFoundError, match="no_such_package_of_the_reader"):
        load_task("reader_broken:Task")
