"""What was measured in a setting, kept beside the trained networks: a study of hours goes on where
it was stopped.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path

import numpy as np

from schurkit.checks import read_only
from schurkit.degeneracy import DSA, PIF, Profiles
from schurkit.rnn import ARRAYS
from schurkit.store import MEASURES, TRAINING, installed, written
from schurkit.tasks.sources import task_version
from schurkit.training import Store, StoreWarning, Trained

from .measured import Dynamics, Levels, levels

SCHEMA = 2
FOLDER = "measured"
"""Of the store."""
KINDS = {kind.__name__: kind for kind in (Levels, DSA, PIF, Profiles)}


def kept_levels(
    trained: Trained, dynamics: Dynamics | None = None, *, store: Store | None = None, **options
) -> Levels | None:
    """`schurkit.studies.levels`, from the store if the same was measured before, and put there if
    not.

    The key holds the weights, the task, the recipe, `dynamics`, all options, the state of our code
    (`schurkit.store.MEASURES`) and the versions of what it computes with. A damaged file is set
    aside with a `StoreWarning` and the setting is measured again.

    Parameters
    ----------
    trained, dynamics, options : of `levels`.
    store : as for training.
    """
    dynamics = dynamics or Dynamics()
    folder = (store or Store()).folder / FOLDER
    path = folder / f"{_key(trained, dynamics, options)}.safetensors"
    found = _read(path)
    if found is not None:
        return found
    found = levels(trained, dynamics, **options)
    if found is not None:
        _write(path, found)
    return found


def _key(trained: Trained, dynamics: Dynamics, options: dict) -> str:
    weights = hashlib.sha256()
    for name in ARRAYS:
        if (array := getattr(trained.rnn, name)) is not None:
            weights.update(
                f"{name} {array.dtype.str} {array.shape} ".encode()
                + np.ascontiguousarray(array).tobytes()
            )
    for array in (trained.scores, trained.stopped, trained.steps, trained.reached):
        weights.update(array.tobytes())
    task = trained.task
    record = {
        "schema": SCHEMA,
        "task": {"name": task.name, "class": type(task).__qualname__, **asdict(task)},
        "recipe": trained.recipe.record(),
        "labels": trained.rnn.labels,
        "weights": weights.hexdigest(),
        "dynamics": asdict(dynamics),
        "options": options,
        "code": {
            "measures": MEASURES,
            "training": TRAINING["training"],
            "task": task_version(task),
        },  # the untrained null is started anew
        "versions": installed(("numpy", "scipy", "numba")),
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()[:32]


# -------------------------------------------------------------------------------------------- files
def _write(path: Path, found: Levels) -> None:
    """One file: the arrays, and in its header the rest, with the hash of both."""
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_plain(found, arrays))
    data = save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()},
        {"levels": text, "sha256": _digest(text, arrays)},
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written(path, data)
    except OSError as error:
        message = (
            f"what was measured cannot be kept in {path.parent} ({error.strerror}); it is used "
            "now and lost then."
        )
        warnings.warn(message, StoreWarning, stacklevel=3)


def _read(path: Path) -> Levels | None:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, "numpy") as file:
            header, names = file.metadata() or {}, file.keys()
            arrays = {name: file.get_tensor(name) for name in names}
        if header.get("sha256") != _digest(header.get("levels", ""), arrays):
            raise ValueError("the checksum does not fit")
        return _object(json.loads(header["levels"]), arrays)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        with suppress(OSError):
            path.replace(path.with_name(path.name + ".damaged"))
        warnings.warn(
            f"what was measured is damaged in {path.name} ({error}); it was set aside and is "
            "measured again.",
            StoreWarning,
            stacklevel=3,
        )
        return None


def _digest(text: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        digest.update(
            f"{name} {arrays[name].dtype.str} {arrays[name].shape} ".encode()
            + np.ascontiguousarray(arrays[name]).tobytes()
        )
    return digest.hexdigest()


def _plain(value, arrays: dict[str, np.ndarray]):
    """A value as plain JSON; its arrays go to `arrays`."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = value
        return {"array": name}
    if is_dataclass(value):
        return {
            "kind": type(value).__name__,
            "fields": {
                field.name: _plain(getattr(value, field.name), arrays) for field in fields(value)
            },
        }
    if isinstance(value, dict):
        return {
            "items": [[_plain(key, arrays), _plain(item, arrays)] for key, item in value.items()]
        }
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, arrays) for item in value]}
    return value.item() if isinstance(value, np.generic) else value


def _object(plain, arrays: dict[str, np.ndarray]):
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return read_only(arrays[plain["array"]])
    if "kind" in plain:
        return KINDS[plain["kind"]](
            **{name: _object(value, arrays) for name, value in plain["fields"].items()}
        )
    if "items" in plain:
        return {_object(key, arrays): _object(item, arrays) for key, item in plain["items"]}
    return tuple(_object(item, arrays) for item in plain["tuple"])
