"""Runs the suite's halves side by side: browser tests mostly wait, the others mostly compute.

Each half is a pytest of its own with servers of its own; both are always run to their end.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

SHOWN, KEPT = "not e2e and not slow", "e2e and not slow"  # the second half's output comes when both have ended
NOTHING_COLLECTED = 5


def run(arguments: Sequence[str] = ()) -> int:
    """Run both halves, with pytest's own arguments; 0 when all tests pass, else the worse code."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as kept:
        command = [sys.executable, "-m", "pytest", *arguments, "-m"]
        browser = subprocess.Popen([*command, KEPT], stdout=kept, stderr=subprocess.STDOUT)
        try:
            codes = [subprocess.run([*command, SHOWN], check=False).returncode, browser.wait()]
        except KeyboardInterrupt:  # the terminal's Ctrl-C has reached both
            browser.wait()
            return 130
        kept.seek(0)
        print("===== tests with a browser, run beside the others =====", flush=True)
        sys.stdout.buffer.write(kept.read())
    print(f"both halves: {time.monotonic() - started:.0f} s", flush=True)
    if arguments and NOTHING_COLLECTED in codes and codes != [NOTHING_COLLECTED] * 2:
        codes.remove(NOTHING_COLLECTED)  # a choice of tests may lie in one half alone
    return max(map(abs, codes))  # ended by a signal: its number, negative


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
