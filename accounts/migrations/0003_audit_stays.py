"""PostgreSQL itself keeps the audit log append only; retention says so for its transaction (`riskdesk.retention`)."""

from __future__ import annotations

from django.db import migrations

# Two things may change: a refusal's count of repeats, and the link to an actor who is deleted (his name stays).
FORWARDS = """
CREATE FUNCTION riskdesk_audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('riskdesk.retention', true) = 'on' THEN
    RETURN COALESCE(NEW, OLD);
  END IF;
  IF TG_OP = 'UPDATE'
     AND (NEW.id, NEW.at, NEW.actor_name, NEW.verb, NEW.target, NEW.address, NEW.detail - 'repeats')
         IS NOT DISTINCT FROM
         (OLD.id, OLD.at, OLD.actor_name, OLD.verb, OLD.target, OLD.address, OLD.detail - 'repeats')
     AND (NEW.actor_id IS NULL OR NEW.actor_id IS NOT DISTINCT FROM OLD.actor_id)
     AND (NEW.detail = OLD.detail OR OLD.verb = 'access_refused') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'audit entry %: entries are neither changed nor removed', OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER riskdesk_audit_stays BEFORE UPDATE OR DELETE ON accounts_auditentry
  FOR EACH ROW EXECUTE FUNCTION riskdesk_audit_stays();
"""

BACKWARDS = """
DROP TRIGGER riskdesk_audit_stays ON accounts_auditentry;
DROP FUNCTION riskdesk_audit_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_rule_sets_stay")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
