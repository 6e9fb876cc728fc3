"""PostgreSQL itself refuses to change a rule set that a challenge is pinned to."""

from __future__ import annotations

from django.db import migrations

FORWARDS = """
CREATE FUNCTION riskdesk_rule_set_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM accounts_challenge WHERE rule_set_id = OLD.id) THEN
    RAISE EXCEPTION 'rule set % has judged a challenge: make a new version', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER riskdesk_rule_set_stays BEFORE UPDATE OR DELETE ON accounts_ruleset
  FOR EACH ROW EXECUTE FUNCTION riskdesk_rule_set_stays();
"""

BACKWARDS = """
DROP TRIGGER riskdesk_rule_set_stays ON accounts_ruleset;
DROP FUNCTION riskdesk_rule_set_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
