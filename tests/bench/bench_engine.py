"""What the engine costs: decode + snapshot + rules beside decode alone, and beside the naive way."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Callable
from time import perf_counter

import msgspec

from monitoring.engine.messages import AccountUpdate
from monitoring.engine.rules import process
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Snapshot
from tests.bench.ratio import Ratio

ACCOUNTS, ROUNDS, REPEATS = 1000, 20, 15
_decode = msgspec.json.Decoder(AccountUpdate).decode
DAILY: dict[str, object] = {
    "rule": "daily_loss", "reference": "day_start_balance", "amount": {"percent": "5", "of": "initial"},
    "measured": "equity", "operator": "<", "consequence": "fail",
}  # fmt: skip
STATIC: dict[str, object] = DAILY | {"rule": "max_loss", "mode": "static", "amount": {"percent": "10", "of": "initial"}}
del STATIC["reference"]
TRAILING = STATIC | {"mode": "trailing", "high_water": "equity_intraday", "amount": {"percent": "6", "of": "initial"}}


def document(*rules: dict[str, object]) -> dict[str, object]:
    """A rule set of the given loss rules."""
    return {
        "version": 1,
        "currency": "USD",
        "initial_balance": "100000.00",
        "reset": {"time": "00:00", "zone": "Europe/Prague"},
        "rules": list(rules),
    }


def make_frames(seed: int = 7) -> list[bytes]:
    """Frames of about 320 bytes, in turn over the accounts; equity wanders, the balance moves now and then."""
    chance = random.Random(seed)
    equity, balance = [100_000.0] * ACCOUNTS, [100_000.0] * ACCOUNTS
    frames = []
    for number in range(1, ROUNDS + 1):
        for index in range(ACCOUNTS):
            equity[index] = round(equity[index] + chance.gauss(0, 20), 2)
            if chance.random() < 0.02:
                balance[index] = equity[index]
            frames.append(_frame(f"acc_{index}", number, balance[index], equity[index]))
    return frames


def _frame(account: str, number: int, balance: float, equity: float) -> bytes:
    data = {
        "id": account, "account_id": account, "balance": balance, "equity": equity, "credit": 0.0,
        "profit": round(equity - balance, 2), "margin": 1200.0, "free_margin": 97550.25, "margin_level": 8229.19,
        "currency": "USD", "leverage": 100, "status": "connected", "open_positions": 2,
    }  # fmt: skip
    frame = {
        "type": "account_update", "event_id": f"e_{number}", "seq": number,
        "ts": f"2026-11-20T10:{number:02d}:00.000Z", "account_id": account, "data": data,
    }  # fmt: skip
    return json.dumps(frame, separators=(",", ":")).encode()


def decode_only(frames: list[bytes]) -> float:
    """Seconds to decode the frames and drop them."""
    start = perf_counter()
    for frame in frames:
        _decode(frame)
    return perf_counter() - start


def naive(frames: list[bytes]) -> float:
    """Seconds of the obvious way: json.loads, a dict, one comparison."""
    latest, breached = {}, 0
    start = perf_counter()
    for frame in frames:
        message = json.loads(frame)
        latest[message["account_id"]] = message["data"]
        if message["data"]["equity"] < 90_000.0:
            breached += 1
    return perf_counter() - start


def engine(rules: dict[str, object]) -> Callable[[list[bytes]], float]:
    """Seconds to decode and process the frames, on a desk that has already seen its accounts."""
    rule_set = parse_rule_set(rules)

    def measure(frames: list[bytes]) -> float:
        snapshot = Snapshot()
        for index in range(ACCOUNTS):
            snapshot.add(f"acc_{index}", rule_set)
        for frame in frames[:ACCOUNTS]:
            process(snapshot, _decode(frame))
        start = perf_counter()
        for frame in frames[ACCOUNTS:]:
            process(snapshot, _decode(frame))
        elapsed = perf_counter() - start
        for account in snapshot.accounts.values():
            account.flush()
        assert snapshot.counts.applied == len(frames), "every frame must have been applied"
        return elapsed * len(frames) / (len(frames) - ACCOUNTS)

    return measure


def ratios() -> list[Ratio]:
    """Measure in turn, several times; each way's fastest round counts: other work of the machine spoils it least."""
    frames = make_frames()
    ways = {
        "decode": decode_only,
        "engine": engine(document(DAILY, STATIC)),
        "trailing": engine(document(DAILY, TRAILING)),
        "naive": naive,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            gc.collect()
            seconds[name].append(way(frames))
    micro = {name: min(times) / len(frames) * 1e6 for name, times in seconds.items()}
    share, trailing = micro["decode"] / micro["engine"], micro["decode"] / micro["trailing"]
    faster = micro["naive"] / micro["engine"]
    figures = {f"{name}_us": round(value, 3) for name, value in micro.items()}
    return [
        Ratio("engine_share_of_decode", share, 0.5, "decode alone / (decode + snapshot + rules)", figures=figures),
        Ratio(
            "engine_against_naive", faster, 5.0, "(json.loads + dict + one comparison) / (decode + snapshot + rules)"
        ),
        Ratio(
            "engine_trailing_share", trailing, None, "the same share where every fifth update lifts a high-water mark"
        ),
    ]


def run() -> dict[str, float]:
    """Return the ratios by name."""
    return {ratio.name: ratio.value for ratio in ratios()}


if __name__ == "__main__":
    for ratio in ratios():
        print(f"{ratio.name}: {ratio.value:.2f} (target {ratio.target}) {ratio.figures or ''}")
