"""Keys of tasks typed into a notebook: what changes them, and what does not."""

import importlib
import linecache
import sys
import types

from press.small_book import cases

from schurkit.store import record_of
from schurkit.tasks import Copy
from schurkit.tasks.versions import class_source, task_version

CELL = '''
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar
import numpy as np
import schurkit as sk
from schurkit.metrics import FVU

GAIN = 2.0
steps = 5

def curve(t):
    return GAIN * np.sin(t)

class Base:
    def length(self):
        return 8

@dataclass(frozen=True)
class Mine(Base):
    """A task."""
    steps: int = 5
    name: ClassVar[str] = "mine"
    metric = FVU
    @property
    def chance(self):
        return 0.5
    @staticmethod
    def half(x):
        return x / 2
    @cached_property
    def table(self):
        return [3]
    def batch(self, seeds, step, trials):
        # draws
        return (lambda t: curve(t) * self.steps)(np.arange(self.length()))
'''


def cell(text, number=[0]):  # noqa: B006
    """The class of a cell, executed as a notebook does: in a module without a file, with its lines
    kept for tracebacks.
    """
    number[0] += 1
    name, module = f"<cell {number[0]}>", types.ModuleType("__cell__")
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    sys.modules["__cell__"] = module
    exec(compile(text, name, "exec"), module.__dict__)
    return module.Mine


def version(text):
    return task_version(cell(text)())


def test_whatever_the_task_does_counts_and_nothing_else():
    """Comments, docstrings and globals that are not looked up do not."""
    words = CELL.replace("# draws", "# draws all").replace("A task.", "The task.")
    other = CELL.replace("steps = 5\n\ndef", "steps = 6\n\n\ndef")
    assert version(CELL) == version(words) == version(other)
    changes = cases("""
* self.steps → + self.steps
return 0.5 → return 0.6
x / 2 → x / 3
return [3] → return [4]
np.sin(t) → np.cos(t)
GAIN = 2.0 → GAIN = 3.0
return 8 → return 9
= "mine" → = "other"
""")
    assert all(CELL.count(old) == 1 for old, _ in changes)
    changed = {version(CELL.replace(old, new)) for old, new in changes}
    assert len(changed | {version(CELL)}) == len(changes) + 1


def test_without_any_source_the_byte_code_counts():
    kind = cell(CELL)
    linecache.cache.pop(kind.batch.__code__.co_filename)
    linecache.checkcache()
    bare = class_source(kind)
    kind = cell(CELL.replace("x / 2", "x * 2"))
    linecache.cache.pop(kind.batch.__code__.co_filename)
    assert bare and bare != class_source(kind)


def test_the_record_of_a_cells_task_uses_it():
    from schurkit.engine import choose
    from schurkit.training import Recipe

    records = [
        record_of(cell(text)(), Recipe(), 0, choose())
        for text in (CELL, CELL.replace("x / 2", "x / 3"))
    ]
    codes = [record["code"] for record in records]
    assert codes[0]["engine"] == codes[1]["engine"] and codes[0]["task"] != codes[1]["task"]
    assert records[0]["task"] == {"name": "mine", "class": "Mine", "steps": 5}


def test_a_module_of_the_readers_counts_without_its_words(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    task = 'class Mine:\n    def batch(self):\n        """Says."""\n        return 1  # comment\n'
    texts = [
        task,
        task.replace("Says", "Tells").replace("comment", "word"),
        task.replace("1", "2"),
        "other = 0\n" + task,
    ]
    versions = []
    for i, text in enumerate(texts):
        (tmp_path / f"my_tasks_{i}.py").write_text(text)
        importlib.invalidate_caches()
        versions.append(task_version(importlib.import_module(f"my_tasks_{i}").Mine()))
    assert versions[0] == versions[1] and len(set(versions)) == 3


def test_a_task_that_extends_one_of_ours_moves_with_it(monkeypatch):
    class Mine(Copy):
        pass

    before = task_version(Mine())
    monkeypatch.setattr(Copy, "version", 2)
    assert isinstance(before, str) and task_version(Mine()) != before
