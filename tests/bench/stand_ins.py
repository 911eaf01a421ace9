"""Contenders that measure nothing, for the tests of what measures."""

import os
import sys
import time


def counter(start):
    total = [start]

    def lap(units):
        total[0] += units
        return total[0]

    return lap, {"start": start}


def talker():
    print("a greeting")
    return lambda units: print("a remark") or 1, {}


def environment(names):
    return lambda units: None, {"found": [os.environ.get(name) for name in names]}


def place():
    return lambda units: None, {
        "processors": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    }


def logged(name, path):
    def lap(units):
        with open(path, "a", encoding="ascii") as log:
            log.write(f"{name}{units} ")
        return units

    return lap, {}


def sleeper(seconds):
    def lap(units):
        time.sleep(units * seconds)
        return units

    return lap, {}


def broken():
    return 1 / 0


def killed():
    print("first words\nlast words", file=sys.stderr, flush=True)
    os._exit(3)


def late():
    def lap(units):
        raise ValueError("no more")

    return lap, {}
