"""The journal keeps what was written, skips what was torn, and never stops a command."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.live import journal
from monitoring.live.journal import Journal

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def bodies(directory: Path, after: int = 0) -> list[tuple[int, object]]:
    """What a reader finds."""
    return [(record.n, msgspec.json.decode(record.body)) for record in journal.read(directory, "main", after)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=8), st.data())
def test_a_file_cut_anywhere_gives_the_whole_lines_before_the_cut(texts: list[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        book = Journal(directory, "main", 1)
        for text in texts:
            book.append("event", AT, {"text": text})
        book.close()
        [segment] = journal.segments(directory, "main")
        whole = segment.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        segment.write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")
        assert bodies(directory) == [(n + 1, {"text": texts[n]}) for n in range(kept)]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_byte_costs_its_own_lines_only(position: int, byte: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        book = Journal(directory, "main", 1)
        for number in range(5):
            book.append("event", AT, {"number": number})
        book.close()
        [segment] = journal.segments(directory, "main")
        content = bytearray(segment.read_bytes())
        content[position % len(content)] = byte
        segment.write_bytes(bytes(content))
        found = bodies(directory)
        assert len(found) >= 3  # a destroyed line end joins two lines
        assert all(body == {"number": n - 1} for n, body in found)


def test_numbers_go_on_over_restarts_and_epochs(tmp_path: Path) -> None:
    first = Journal(tmp_path, "main", 1)
    assert [first.append("event", AT, {}), first.append("event", AT, {})] == [1, 2]
    first.close()
    second = Journal(tmp_path, "main", 2)
    assert second.append("event", AT, {"again": True}) == 3
    second.close()
    assert bodies(tmp_path, after=2) == [(3, {"again": True})]


def test_rotates_at_its_size_and_prunes_only_what_is_older(tmp_path: Path) -> None:
    book = Journal(tmp_path, "main", 1, segment_bytes=300)
    for number in range(20):
        book.append("event", AT, {"number": number})
    before = len(journal.segments(tmp_path, "main"))
    assert before > 3
    assert book.prune(before=11) > 0
    assert [n for n, _ in bodies(tmp_path, after=10)] == list(range(11, 21))
    book.close()


def test_other_shards_are_not_read(tmp_path: Path) -> None:
    for shard in ("main", "other"):
        book = Journal(tmp_path, shard, 1)
        book.append("event", AT, {"shard": shard})
        book.close()
    assert bodies(tmp_path) == [(1, {"shard": "main"})]


def test_a_disk_that_refuses_is_told_and_stops_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    book = Journal(blocked, "main", 1)
    assert book.append("event", AT, {}) == 1
    assert isinstance(book.error, str)
    blocked.unlink()
    assert book.append("event", AT, {}) == 2
    assert book.errors == 1
    book.close()
    assert [n for n, _ in bodies(blocked)] == [2]


def test_what_a_full_disk_cut_off_does_not_spoil_the_next_line(tmp_path: Path) -> None:
    book = Journal(tmp_path, "main", 1)
    book.append("event", AT, {"number": 1})
    [segment] = journal.segments(tmp_path, "main")
    with segment.open("ab") as file:
        file.write(b"0badc0de {half")
    book.close()
    again = Journal(tmp_path, "main", 1)
    again.append("event", AT, {"number": 2})
    again.close()
    assert [body for _, body in bodies(tmp_path)] == [{"number": 1}, {"number": 2}]


def test_a_shard_whose_name_begins_alike_keeps_its_own_journal(tmp_path: Path) -> None:
    """`main` and `main-2` in one folder: neither numbers on, reads nor prunes the other's records."""
    books = {shard: Journal(tmp_path, shard, 1, segment_bytes=1) for shard in ("main", "main-2")}
    (tmp_path / "main-copy.jsonl").write_text("not a journal")
    for shard, book in books.items():
        for number in range(3):
            book.append("event", AT, {"of": shard, "number": number})
    assert bodies(tmp_path) == [(n + 1, {"of": "main", "number": n}) for n in range(3)]
    books["next"] = Journal(tmp_path, "main", 2)
    assert books["next"].last_n == 3
    books["next"].prune(3)
    assert len(list(books["main-2"].read())) == 3
    for book in books.values():
        book.close()
