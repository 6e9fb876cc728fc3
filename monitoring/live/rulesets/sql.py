"""What the book asks PostgreSQL: a digest each second, and where it changed one light row an account."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

# By its content an override is known: two accounts that are set apart alike share one compiled rule set. Which hold is
# what `rulebooks.active` says: after the end of its challenge none ends any more.
_OVERRIDES = """
SELECT v.challenge_id, string_agg(
  concat_ws(':', v.rule, v.ordinal, coalesce(v.replacement::text, '-')), ',' ORDER BY v.rule, v.ordinal, v.id
) AS content
FROM accounts_ruleoverride v JOIN accounts_challenge h ON h.id = v.challenge_id
WHERE v.starts_at <= %(at)s
  AND coalesce(least(v.ends_at, v.ended_at), 'infinity') > least(%(at)s::timestamptz, h.ended_at)
GROUP BY v.challenge_id
"""

# One word for everything by which an account may be judged differently now, overrides that end by their date included.
DIGEST = f"""
WITH active AS ({_OVERRIDES})
SELECT count(*), md5(string_agg(
  concat_ws(':', a.id, a.trader_id, a.login, c.id, c.state, c.rule_set_id, c.initial_balance, o.content),
  ',' ORDER BY a.id, c.id))
FROM accounts_account a
LEFT JOIN accounts_challenge c ON c.account_id = a.id
LEFT JOIN active o ON o.challenge_id = c.id
WHERE a.server_id = %(server)s
"""

ROWS = f"""
WITH active AS ({_OVERRIDES})
SELECT DISTINCT ON (a.id)
  a.id, c.id, a.public_id, a.upstream_id, a.login,
  coalesce(nullif(trim(concat_ws(' ', u.first_name, u.last_name)), ''), u.username, a.holder), a.trader_id,
  n.name, p.name, c.rule_set_id, a.currency, c.initial_balance, coalesce(o.content, ''), c.state, c.state_reason,
  c.started_at
FROM accounts_account a
JOIN accounts_challenge c ON c.account_id = a.id
JOIN accounts_ruleset r ON r.id = c.rule_set_id
JOIN accounts_phase p ON p.id = r.phase_id
JOIN accounts_plan n ON n.id = p.plan_id
LEFT JOIN accounts_user u ON u.id = a.trader_id
LEFT JOIN active o ON o.challenge_id = c.id
WHERE a.server_id = %(server)s AND (%(only)s::bigint[] IS NULL OR a.id = ANY(%(only)s))
ORDER BY a.id, c.started_at DESC, c.id DESC
"""

MARKET = """
SELECT
  (SELECT max(id) FROM accounts_calendarrevision),
  (SELECT md5(string_agg(raw || '=' || base, ',' ORDER BY raw)) FROM accounts_symbolname WHERE server_id = %(server)s)
"""

AT_ONCE = 500  # rows fetched in one go: psycopg makes them without letting other threads run


class BookRow(NamedTuple):
    """One account with its newest challenge, as ROWS tells it."""

    pk: int
    challenge: int
    public_id: str
    upstream_id: str
    login: str
    trader: str
    trader_id: int | None
    plan: str
    phase: str
    rule_set: int
    currency: str
    initial_balance: Decimal
    overrides: str
    state: str
    state_reason: str
    started_at: datetime
