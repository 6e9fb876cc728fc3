"""One account if its day reset now: every loss rule's floor, room and verdict, by its newest checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from accounts.models import Challenge
from monitoring.engine.events import Reading, ResetForecast
from monitoring.engine.rules import readings
from monitoring.engine.rules.forecast import at_reset
from monitoring.engine.ruleset import LossRule, RuleSetError
from monitoring.engine.snapshot import AccountState, Snapshot
from monitoring.models import Checkpoint
from monitoring.whatif.effects import Compiler

_decode = msgspec.msgpack.Decoder(AccountState).decode


@dataclass(frozen=True, slots=True)
class ResetPreview:
    """What a reset at `at` would do; `rules` pairs each rule's reading now with what would stand after it.

    `modes` has the mode of a maximum loss by its place in the document.
    `why_not` says why there is nothing to show. Money in minor units of `digits` decimals.
    """

    at: datetime | None = None
    digits: int = 2
    rules: tuple[tuple[Reading, ResetForecast], ...] = ()
    why_not: str = ""
    modes: Mapping[int, str] = field(default_factory=dict)
    breached: bool = False  # it has failed already: no reset changes that

    @property
    def crossed(self) -> bool:
        """Whether any floor would be crossed."""
        return any(then.crossed for _, then in self.rules)


def reset_preview(challenge: Challenge, at: datetime) -> ResetPreview:
    """The preview of one challenge; `at` says which overrides hold, its figures are the checkpoint's."""
    packed = Checkpoint.objects.filter(account=challenge.account_id).values_list("state", flat=True).first()
    try:
        state = _decode(packed) if packed is not None else None
        if state is None or state.challenge != f"c{challenge.pk}" or state.figures is None:
            return ResetPreview(why_not="No data of this challenge have come yet.")
        rule_set = Compiler(at).rulebook(challenge)
        account = Snapshot().add(challenge.account.upstream_id, rule_set, challenge=state.challenge, state=state)
    except (msgspec.DecodeError, RuleSetError, ValueError) as error:
        return ResetPreview(why_not=f"It cannot be computed: {error}")
    known = max(ts for ts in (state.now, state.last_ts, state.updated_at) if ts is not None)
    paired = tuple(zip(readings(account, known), at_reset(account), strict=True))
    modes = {rule.index: rule.mode for rule in rule_set.rules if isinstance(rule, LossRule) and rule.mode}
    return ResetPreview(known, rule_set.digits, paired, modes=modes, breached=account.breached)
