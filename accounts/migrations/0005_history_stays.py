"""PostgreSQL itself keeps what judged somebody: rule sets that a challenge was moved from, and the moves."""

from __future__ import annotations

from django.db import migrations

FORWARDS = """
CREATE OR REPLACE FUNCTION riskdesk_rule_set_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM accounts_challenge WHERE rule_set_id = OLD.id)
     OR EXISTS (SELECT 1 FROM accounts_rulesetmove WHERE OLD.id IN (moved_from_id, moved_to_id)) THEN
    RAISE EXCEPTION 'rule set % has judged a challenge: make a new version', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION riskdesk_move_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'move %: moves are neither changed nor removed', OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER riskdesk_move_stays BEFORE UPDATE OR DELETE ON accounts_rulesetmove
  FOR EACH ROW EXECUTE FUNCTION riskdesk_move_stays();
"""

BACKWARDS = """
DROP TRIGGER riskdesk_move_stays ON accounts_rulesetmove;
DROP FUNCTION riskdesk_move_stays();
CREATE OR REPLACE FUNCTION riskdesk_rule_set_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM accounts_challenge WHERE rule_set_id = OLD.id) THEN
    RAISE EXCEPTION 'rule set % has judged a challenge: make a new version', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_rulebooks")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
