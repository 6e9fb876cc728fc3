"""`make bench`: runs every `bench_*.py`, prints its ratios beside their targets, writes bench.json.

Ratios are taken within one run, because absolute figures drift with the machine. Exit status 1: a target was missed.
Names on the command line choose among the benchmarks: `python -m tests.bench socket`.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.ratio import Ratio

HERE = Path(__file__).parent
LAST = frozenset({"bench_breach", "bench_change"})  # whole desks: the heap that they leave slows what comes after


def main(chosen: list[str]) -> int:
    """Run the chosen benchmarks, or all; 0 when every target is met."""
    names = sorted((path.stem for path in HERE.glob("bench_*.py")), key=lambda name: (name in LAST, name))
    wanted = [name for name in names if not chosen or name.removeprefix("bench_") in chosen]
    if not wanted:
        known = ", ".join(name.removeprefix("bench_") for name in names)
        print(f"no benchmark called {', '.join(chosen)}; there are: {known}", file=sys.stderr)
        return 2
    report: dict[str, dict[str, Any]] = {}
    missed = 0
    for name in wanted:
        began = time.perf_counter()
        print(f"\n{name.removeprefix('bench_')}: running …", flush=True)
        ratios: list[Ratio] = importlib.import_module(f"tests.bench.{name}").ratios()
        report[name.removeprefix("bench_")] = {one.name: asdict(one) | {"passed": one.passed} for one in ratios}
        missed += sum(not one.passed for one in ratios)
        for one in ratios:
            print(line(one), flush=True)
        print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": _cores()}
    Path("bench.json").write_text(json.dumps({"machine": machine, "benchmarks": report}, indent=2) + "\n")
    print(
        f"\nwritten to bench.json; {missed} target(s) missed" if missed else "\nwritten to bench.json; all targets met"
    )
    return 1 if missed else 0


def line(ratio: Ratio) -> str:
    """One ratio in words: value, target, verdict, what was divided by what."""
    sign = "≥" if ratio.higher_is_better else "≤"
    verdict = "    " if ratio.target is None else ("pass" if ratio.passed else "FAIL")
    target = "" if ratio.target is None else f" (target {sign} {ratio.target:g})"
    figures = ", ".join(f"{name} {value:,.4g}" for name, value in ratio.figures.items())
    parts = f"\n         {figures}" if figures else ""
    return f"  {verdict} {ratio.name}: {ratio.value:.2f}{target}: {ratio.explanation}{parts}"


def _cores() -> int:
    return os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
