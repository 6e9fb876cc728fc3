"""Plays a recording: live and replay come to the same events because the same lines change a snapshot alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from msgspec.structs import replace

from monitoring.engine.events import Event
from monitoring.engine.messages import AccountUpdate, Envelope, Market, Message, Resync
from monitoring.engine.money import minor_units
from monitoring.engine.rules import change_rules, process, refuse
from monitoring.engine.ruleset import RuleSet, RuleSetError, parse_rule_set, with_initial
from monitoring.engine.snapshot import Account, AccountState, Snapshot
from monitoring.engine.tape.entries import (
    FORMAT,
    Gap,
    Header,
    Hold,
    Line,
    Refused,
    Release,
    Rulebook,
    Rules,
    SetBack,
    UnderRules,
    Unwatch,
    Watch,
    copied,
)

GAPS_KEPT = 20


class RecordingError(Exception):
    """The recording cannot be played; the message says why."""


def goes_on(kept: AccountState, entry: Watch) -> bool:
    """Whether what an account remembers of other rules still holds where it is watched again.

    Nothing is missing, or frames of a part of a day in which no money came or went: a monitor that was killed lacks the
    last second, a disk that refused some minutes.
    """
    state = entry.state
    if kept.challenge != state.challenge:
        return False
    same_day = kept.next_reset is None or entry.ts < kept.next_reset
    no_money = (kept.moved, kept.verdict_held) == (state.moved, state.verdict_held)
    return _reached(kept) == _reached(state) or (same_day and no_money)


def _reached(state: AccountState) -> int | datetime | None:
    """The newest frame that was applied; where frames carry no number, its time."""
    return state.last_ts if state.last_seq is None else state.last_seq


class Player:
    """Plays lines into a snapshot of its own, as the live path did.

    Without `rules` every account is judged by what the recording says. With them, by these, each account keeping its
    own S; where the recording begins in the middle of a challenge, what the account has been through is carried over.
    A file of frames without a head, as the upstream sends them, says no rules: there accounts appear with their first
    frame. `market` is known from the start; what it has under the names of `given` replaces what the recording says.
    """

    def __init__(
        self,
        rules: RuleSet | None = None,
        market: Market | None = None,
        given: Collection[str] = ("news", "holidays"),
    ) -> None:
        self.snapshot = Snapshot()
        self.recorded = False
        self.lost = 0  # entries that the recording says it lacks
        self.gaps: list[Gap] = []  # and where: the first ones
        self._rules, self._market, self._given_names = rules, market, tuple(given)
        self._documents: dict[str, dict[str, Any]] = {}
        self._compiled: dict[tuple[str, int, str], RuleSet] = {}
        self._sized: dict[tuple[str, int, str, str], RuleSet] = {}
        self._kept: dict[str, AccountState] = {}  # under the given rules, between two files
        self._played: dict[type, Callable[[Any], Sequence[Event]]] = {
            Header: self._begin, Rulebook: self._learn, Watch: self._watch, Unwatch: self._unwatch,
            Rules: self._change, Hold: self._hold, Release: self._release, Refused: self._refused,
            SetBack: self._set_back, Gap: self._gap, Market: self._open_market,
        }  # fmt: skip
        self._begin_market()

    def play(self, line: Line) -> Sequence[Event]:
        """Take one line; its events in their order. RecordingError, RuleSetError: it cannot be played."""
        try:
            return self._play(line)
        except RuleSetError:
            raise
        except (ValueError, ArithmeticError) as error:  # what no monitor writes
            raise RecordingError(f"a line cannot be played: {type(error).__name__}: {error}") from error

    def _play(self, line: Line) -> Sequence[Event]:
        if line.__class__ is AccountUpdate and self.recorded:
            return process(self.snapshot, cast("Message", line))
        played = self._played.get(type(line))
        if played is not None:
            return played(line)
        message = cast("Message", line)
        if not self.recorded and isinstance(message, Envelope | Resync):
            self._appear(message.account_id)
        return process(self.snapshot, message)

    def state_of(self, account_id: str) -> AccountState | None:
        """An account's newest state, whether it is watched now or was."""
        account = self.snapshot.accounts.get(account_id)
        return self._kept.get(account_id) if account is None else account.flush()

    def _appear(self, account_id: str) -> None:
        if account_id in self.snapshot.accounts:
            return
        if self._rules is None:
            raise RecordingError("these frames say no rules: a rule set is needed to judge them")
        self.snapshot.add(account_id, self._rules)

    def _begin(self, header: Header) -> Sequence[Event]:
        if header.format != FORMAT:
            raise RecordingError(f"the recording is of format {header.format}; this release reads format {FORMAT}")
        for account in self.snapshot.accounts.values():
            self._keep(account)
        self.recorded = True
        self.snapshot = Snapshot(header.server)
        link = self.snapshot.link
        link.state, link.reason, link.seen, link.now = header.link, header.reason, header.seen, header.now
        self._begin_market()
        return ()

    def _begin_market(self) -> None:
        if self._market is not None:
            process(self.snapshot, self._market)

    def _open_market(self, market: Market) -> Sequence[Event]:
        if self._market is not None and self._given_names:
            given = {name: getattr(self._market, name) for name in self._given_names}
            market = replace(market, revision=f"{market.revision}+{self._market.revision}", **given)
        return process(self.snapshot, market)

    def _learn(self, book: Rulebook) -> Sequence[Event]:
        self._documents[book.id] = book.document
        return ()

    def _watch(self, entry: Watch) -> Sequence[Event]:
        present = self.snapshot.accounts.get(entry.account_id)
        if present is not None:
            self._keep(present)
        own, kept = self._own(entry), self._kept.pop(entry.account_id, None)
        if self._rules is None:
            self._add(entry, own, copied(entry.state))
            return ()
        given = self._given(entry)
        if kept is not None and goes_on(kept, entry):
            self._add(entry, given, kept)
            return self._catch_up(entry.account_id, entry.state)
        account = self._add(entry, own, copied(entry.state))
        if kept is not None and kept.challenge == entry.state.challenge and kept.breach is not None:
            account.flush().breach = kept.breach  # under these rules it had failed before the hole
            account.disturb()
        return change_rules(self.snapshot, entry.account_id, given, entry.ts)

    def _catch_up(self, account_id: str, state: AccountState) -> Sequence[Event]:
        """What is missing comes in by a reading, as it does live after a gap; and so does a review."""
        account = self.snapshot.accounts[account_id]
        if state.review and not account.review:
            account.hold_for_review(state.review)
        elif account.review and not state.review:
            account.release()
        if _reached(account.flush()) == _reached(state) or state.figures is None or state.last_ts is None:
            return ()
        truth = Resync(
            account_id, state.last_ts, state.figures, state.positions, state.last_seq, locked=state.locked,
            lock_reason=state.lock_reason, locked_until=state.locked_until,
        )  # fmt: skip
        return process(self.snapshot, truth)

    def _add(self, entry: Watch, rule_set: RuleSet, state: AccountState) -> Account:
        return self.snapshot.add(
            entry.account_id, rule_set, challenge=state.challenge, public_id=entry.public_id,
            initial_balance=state.initial_balance, state=state,
        )  # fmt: skip

    def _unwatch(self, entry: Unwatch) -> Sequence[Event]:
        account = self.snapshot.accounts.get(entry.account_id)
        if account is not None:
            self._keep(account)
            self.snapshot.remove(entry.account_id)
        return ()

    def _keep(self, account: Account) -> None:
        self._kept[account.id] = account.dump()

    def _change(self, entry: Rules) -> Sequence[Event]:
        if self._rules is not None or entry.account_id not in self.snapshot.accounts:
            return ()
        return change_rules(self.snapshot, entry.account_id, self._own(entry), entry.ts)

    def _hold(self, entry: Hold) -> Sequence[Event]:
        account = self.snapshot.accounts.get(entry.account_id)
        if account is not None:
            account.hold_for_review(entry.reason)
        return ()

    def _release(self, entry: Release) -> Sequence[Event]:
        account = self.snapshot.accounts.get(entry.account_id)
        if account is not None:
            account.release()
        return ()

    def _refused(self, entry: Refused) -> Sequence[Event]:
        account = self.snapshot.accounts.get(entry.account_id)
        return refuse(self.snapshot, account, entry.reason, entry.detail, entry.ts)

    def _set_back(self, entry: SetBack) -> Sequence[Event]:
        self.snapshot.link.set_back(entry.ts)
        return ()

    def _gap(self, entry: Gap) -> Sequence[Event]:
        self.lost += entry.lost
        if len(self.gaps) < GAPS_KEPT:
            self.gaps.append(entry)
        return ()  # a new head stands before it, and all states follow

    def _own(self, entry: UnderRules) -> RuleSet:
        """The rules that the recording says, for the account's S."""
        document = self._documents.get(entry.rules)
        if document is None:
            raise RecordingError(f"{entry.account_id}: the recording does not hold its rule set")
        return self._for_account(entry.rules, {"version": entry.version, **document}, entry)

    def _given(self, entry: UnderRules) -> RuleSet:
        """The given rules, in the account's currency and for its S."""
        assert self._rules is not None
        return self._for_account("", self._rules.document, entry)

    def _for_account(self, name: str, document: Mapping[str, Any], entry: UnderRules) -> RuleSet:
        key = (name, entry.version if name else 0, entry.currency)
        sized = self._sized.get((*key, entry.initial_balance))
        if sized is None:
            compiled = self._compiled.get(key)
            if compiled is None:
                own = {"currency": entry.currency, "initial_balance": entry.initial_balance}
                compiled = self._compiled[key] = parse_rule_set({**document, **own})
            sized = with_initial(compiled, minor_units(entry.initial_balance, compiled.digits))
            self._sized[*key, entry.initial_balance] = sized
        return sized
