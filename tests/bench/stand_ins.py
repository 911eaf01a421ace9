"""Contenders that measure nothing, for the tests of what measures."""

import os
import threading
import time


def environment(names):
    print("a greeting")
    places = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return lambda units: print("a remark"), {
        "variables": [os.environ.get(name) for name in names],
        "processors": places,
    }


def logged(name, path):
    def lap(units):
        with open(path, "a", encoding="ascii") as log:
            log.write(f"{name}{units} ")
        return units

    return lap, {"name": name}


def sleeper(seconds):
    def lap(units):
        time.sleep(units * seconds)
        return units

    return lap, {}


def absent():
    try:
        raise ModuleNotFoundError(name="jax")
    except ImportError:
        raise ValueError("needs jax") from None


def gone():
    """Its process ends between two laps."""
    return lambda units: threading.Timer(0.01, os._exit, [4]).start(), {}


def broken():
    return 1 / 0


def killed():
    os._exit(3)


def late():
    def lap(units):
        raise ValueError("no\nmore")

    return lap, {}
