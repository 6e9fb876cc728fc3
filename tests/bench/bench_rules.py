"""What all rules cost an update: every rule on, twenty positions an account, beside decode alone."""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from time import perf_counter

from monitoring.engine.messages import AccountFigures, Clock, Link, Resync
from monitoring.engine.rules import process
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Snapshot
from tests.bench.all_rules import all_rules, market, positions
from tests.bench.bench_engine import ACCOUNTS, REPEATS, _decode, decode_only, make_frames
from tests.bench.ratio import Ratio

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def desk() -> Snapshot:
    """A snapshot of accounts that are judged by every rule and hold twenty positions each."""
    snapshot = Snapshot()
    process(snapshot, Link(ts=START, state="connected"))
    process(snapshot, market(START))
    rule_set = parse_rule_set(all_rules())
    assert len(rule_set.others) == 14, "every rule there is"
    for index in range(ACCOUNTS):
        snapshot.add(f"acc_{index}", rule_set, created=START)
        figures = AccountFigures(100_000.0, 100_000.0, 0.0, open_positions=20)
        truth = Resync(account_id=f"acc_{index}", ts=START, data=figures, positions=positions(START), seq=0)
        told = process(snapshot, truth)
        assert not told, told
    return snapshot


def engine(frames: list[bytes]) -> float:
    """Seconds to decode and process the frames, on a desk that has already seen its accounts."""
    snapshot = desk()
    for frame in frames[:ACCOUNTS]:
        process(snapshot, _decode(frame))
    events = 0
    start = perf_counter()
    for frame in frames[ACCOUNTS:]:
        events += len(process(snapshot, _decode(frame)))
    elapsed = perf_counter() - start
    for account in snapshot.accounts.values():
        account.flush()
        assert len(account.positions) == 20
    assert snapshot.counts.applied == len(frames) + ACCOUNTS, "every frame must have been applied"
    return elapsed * len(frames) / (len(frames) - ACCOUNTS)


def tick() -> float:
    """Seconds of one clock tick over all accounts, which comes once a second."""
    snapshot = desk()
    process(snapshot, Clock(ts=START))
    start = perf_counter()
    process(snapshot, Clock(ts=START.replace(second=1)))
    return perf_counter() - start


def ratios() -> list[Ratio]:
    """Measure in turn, several times; each way's fastest round counts: other work of the machine spoils it least."""
    frames = [frame.replace(b'"open_positions":2}', b'"open_positions":20}') for frame in make_frames()]
    decode, rules, ticks = [], [], []
    for _ in range(REPEATS):
        gc.collect()
        decode.append(decode_only(frames))
        rules.append(engine(frames))
        ticks.append(tick())
    alone, whole = (min(times) / len(frames) * 1e6 for times in (decode, rules))
    figures = {"decode us": alone, "all rules us": whole, "tick of 1,000 accounts ms": min(ticks) * 1e3}
    words = "decode alone / (decode + snapshot + all rules, 20 positions an account)"
    return [Ratio("all_rules_share_of_decode", alone / whole, 0.35, words, figures=figures)]
