"""Kill a build at random moments, again and again, and hold what comes out in the end against what
was finished before.

By hand, for the real book: python tests/publish/kills.py --kills 100 --longest 8
COPY_OF_THE_REPOSITORY
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path


def start(root, store):
    """A build in a process group of its own."""
    command = [sys.executable, "-m", "schurkit", "build", "--book", str(root)]
    environment = os.environ | {"SCHURKIT_STORE": str(store)}
    return subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def stored(store):
    """Every finished network: name → (time written, digest)."""
    store = Path(store)
    paths = store.glob("*.json") if store.is_dir() else []
    return {
        p.name: (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in paths
    }


def executed(root):
    """Every complete chapter: name → time written."""
    folder = Path(root) / "_build" / "executed"
    return {
        p.name: p.stat().st_mtime_ns
        for p in folder.glob("*.ipynb")
        if not p.name.startswith(".") and not p.name.endswith(".failed.ipynb")
    }


def numbers(root):
    """Everything that the complete chapters recorded."""
    from schurkit import nb

    found = {}
    for name in sorted(executed(root)):
        path = Path(root) / "_build" / "executed" / name
        found[name] = {"records": nb.records(path), "claims": nb.claims(path)}
    return json.loads(json.dumps(found))


def kill_often(root, store, kills, shortest, longest, seed=0, say=lambda line: None):
    """Kill `kills` builds, each after a random time; raises AssertionError if one of them undid
    what another had finished.
    """
    moments, hit = random.Random(seed), 0
    for number in range(kills):
        before = stored(store), executed(root)
        process = start(root, store)
        try:
            process.wait(timeout=moments.uniform(shortest, longest))
        except subprocess.TimeoutExpired:
            hit += 1
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stderr.close()
        process.wait()
        time.sleep(0.05)
        after = stored(store), executed(root)
        for old, new, what in zip(before, after, ("network", "chapter")):
            changed = [name for name, stamp in old.items() if new.get(name) != stamp]
            assert not changed, f"kill {number}: finished {what} lost or written again: {changed}"
        say(f"kill {number + 1}: {len(after[0])} networks, {len(after[1])} chapters")
    return hit


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--longest", type=float, default=8.0)
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    store = root / "runs"
    hit = kill_often(
        root,
        store,
        arguments.kills,
        0.3,
        arguments.longest,
        say=lambda line: print(line, flush=True),
    )
    before = stored(store)
    begun = time.time()
    last = start(root, store)
    error = last.communicate()[1].decode()
    assert last.returncode == 0, error
    after = stored(store)
    assert all(after[name] == stamp for name, stamp in before.items())
    print(
        f"{hit} of {arguments.kills} builds were killed under way; the next one finished in "
        f"{time.time() - begun:.0f} s"
    )
    print("no finished network or chapter was lost or made again")
    (root / "_build" / "numbers.json").write_text(json.dumps(numbers(root), sort_keys=True))


if __name__ == "__main__":
    main()
