"""One process of a contender: makes it, then does as many units of its work as it is asked for, and
says how long that took.

Orders and answers are lines of JSON on the standard streams; whatever a package prints goes to the
error stream instead.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module


def main() -> None:
    """First order {"maker", "case", "processor"}, answer {"facts", "seconds"}; then {"units"},
    answer {"seconds", "processor", "value"}.
    """
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)

        def answer(**said):
            print(json.dumps(said), file=answers, flush=True)

        order = json.loads(sys.stdin.readline())
        if order["processor"] is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {order["processor"]})
        try:
            module, name = order["maker"].split(":")
            start = time.perf_counter()
            lap, facts = getattr(import_module(module), name)(**order["case"])
            answer(facts=facts, seconds=time.perf_counter() - start)
            for line in sys.stdin:
                units = json.loads(line)["units"]
                start, busy = time.perf_counter(), time.process_time()
                value = lap(units)
                answer(
                    seconds=time.perf_counter() - start,
                    processor=time.process_time() - busy,
                    value=value,
                )
        except Exception as error:  # whatever it was, the asker tells it and measures the others
            answer(error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


if __name__ == "__main__":
    main()
