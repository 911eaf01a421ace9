"""Settings of the whole test run."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
os.environ.pop("MPLBACKEND", None)

settings.register_profile("schurkit", deadline=None, derandomize=True, database=None)
settings.load_profile("schurkit")


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory, monkeypatch):
    """No test reads or fills the reader's store of trained networks."""
    monkeypatch.setenv("SCHURKIT_STORE", str(tmp_path_factory.mktemp("store")))
