"""Tick files: what is read, what is refused, and how a day is replayed."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitoring.upstream.simulator.market import Quote
from monitoring.upstream.simulator.ticks import ReplayMarket, TickFileError, read_ticks

LINES = "1000,1.10000,1.10010\n2000.5,1.10020,1.10030\n\n3000,1.09900,1.09912\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("20140508_eurusd_tick_quote.csv", text)
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["EURUSD/20140508_quote.zip", "EURUSD/20140508.csv", "x/20140508_eurusd_tick.csv"])
def test_zip_and_csv_are_read_the_symbol_from_folder_or_name(tmp_path: Path, name: str) -> None:
    ticks = read_ticks([write(tmp_path / name, LINES)])["EURUSD"]
    midnight = int(datetime(2014, 5, 8, tzinfo=UTC).timestamp() * 1000)
    assert list(ticks.times) == [midnight + 1000, midnight + 2000, midnight + 3000]
    assert list(ticks.bids) == [110_000, 110_020, 109_900]
    assert list(ticks.asks) == [110_010, 110_030, 109_912]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1000,1.1\n", "line 1"),
        ("1000,1.1,1.2\n900,1.1,1.2\n", "backwards"),
        ("1000,1.3,1.2\n", "no quote"),
        ("1000,nan,1.2\n", "line 1"),
        ("1000,1.1,1.2\nx,1.1,1.2\n", "line 2"),
        ("1399507200000,1.1,1.2\n", "no time of a day"),
        ("-1,1.1,1.2\n", "no time of a day"),
        ("", "no tick"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TickFileError, match=said):
        read_ticks([write(tmp_path / "EURUSD" / "20140508.csv", text)])


def test_an_unknown_symbol_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(TickFileError, match="known symbol"):
        read_ticks([write(tmp_path / "a" / "b.csv", LINES)])
    with pytest.raises(TickFileError, match="cannot be read"):
        read_ticks([tmp_path / "EURUSD" / "absent.csv"])


def market(tmp_path: Path, speed: float = 1.0, text: str = LINES) -> ReplayMarket:
    return ReplayMarket(read_ticks([write(tmp_path / "EURUSD" / "20140508.csv", text)]), speed=speed)


def played(replay: ReplayMarket, seconds: float, steps: int = 1) -> list[int]:
    found: list[int] = []

    def note(quote: Quote) -> None:
        found.append(quote.bid)

    for _ in range(steps):
        replay.advance(seconds, note)
    return found


def test_every_tick_is_played_in_order_at_its_own_pace_times_the_speed(tmp_path: Path) -> None:
    assert played(market(tmp_path), 1.5) == []  # the first tick is the price at the start
    assert played(market(tmp_path), 2.1) == [110_020]
    assert played(market(tmp_path, speed=60), 0.05) == [110_020, 109_900]


def test_the_day_begins_again_at_its_end(tmp_path: Path) -> None:
    replay = market(tmp_path, speed=3600)
    assert played(replay, 1.0, steps=25) == [110_020, 109_900, 110_000, 110_020, 109_900]
    assert replay.now.date().isoformat() == "2014-05-08"


def test_a_long_hole_is_a_closed_market(tmp_path: Path) -> None:
    replay = market(tmp_path, text=LINES + "7200000,1.1,1.2\n", speed=60)
    played(replay, 0.1)
    assert not replay.quotes["EURUSD"].open
    played(replay, 120)
    assert replay.quotes["EURUSD"].bid == 110_000


def test_a_start_outside_the_days_is_refused(tmp_path: Path) -> None:
    ticks = read_ticks([write(tmp_path / "EURUSD" / "20140508.csv", LINES)])
    with pytest.raises(TickFileError, match="outside"):
        ReplayMarket(ticks, start=datetime(2014, 5, 9, tzinfo=UTC))


REAL = Path(__file__).parents[5] / "shared" / "data" / "ticks"


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real ticks in ../shared/data")
def test_the_real_day_of_the_press_conference(tmp_path: Path) -> None:
    found = read_ticks(sorted(REAL.glob("*/20140508_quote.zip")))
    assert len(found["EURUSD"]) == 87_833
    noon = datetime(2014, 5, 8, 12, 25, tzinfo=UTC)
    replay = ReplayMarket(found, speed=60, start=noon)
    prices = played(replay, 1.0, steps=300)
    assert max(prices) > 1_000_000  # gold is in there too, in thousandths
    euro = [price for price in prices if price < 200_000]
    assert max(euro) - min(euro) > 1000  # more than 100 pips in five hours
