"""The same tricks outside of any test: each reaches its victim. Prints what came of each."""

from __future__ import annotations

import json
import os

from tricks import all_ways, outcome, victims

if os.environ.get("EARLY"):
    import early

    ways = {name: each for name, each in all_ways().items() if name in early.EARLY}
else:
    ways = all_ways()
chosen = os.environ.get("TRICKS", "").split() or sorted(ways)

if __name__ == "__main__":
    for name in chosen:
        for target in os.environ["TARGETS"].split():
            line = {"trick": name, "target": target, **outcome(ways[name], victims()[target])}
            print(json.dumps(line), flush=True)  # noqa: T201  # whoever started this reads it
