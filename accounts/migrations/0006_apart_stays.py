"""PostgreSQL itself keeps what set an account apart and what the calendar said: such a row is ended once, no more."""

from __future__ import annotations

from django.db import migrations

# A trigger's arguments are the columns that ending sets; while the first of them is empty the row has not ended.
FORWARDS = """
CREATE FUNCTION riskdesk_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_NARGS > 0
     AND to_jsonb(OLD) ->> TG_ARGV[0] IS NULL
     AND to_jsonb(NEW) - TG_ARGV = to_jsonb(OLD) - TG_ARGV THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% %: such rows are neither changed nor removed', TG_TABLE_NAME, OLD.id
    USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER riskdesk_override_stays BEFORE UPDATE OR DELETE ON accounts_ruleoverride
  FOR EACH ROW EXECUTE FUNCTION riskdesk_ends_once('ended_at', 'ended_by_id', 'end_reason');
CREATE TRIGGER riskdesk_news_stays BEFORE UPDATE OR DELETE ON accounts_newsannouncement
  FOR EACH ROW EXECUTE FUNCTION riskdesk_ends_once('until_id');
CREATE TRIGGER riskdesk_holiday_stays BEFORE UPDATE OR DELETE ON accounts_marketholiday
  FOR EACH ROW EXECUTE FUNCTION riskdesk_ends_once('until_id');
CREATE TRIGGER riskdesk_revision_stays BEFORE UPDATE OR DELETE ON accounts_calendarrevision
  FOR EACH ROW EXECUTE FUNCTION riskdesk_ends_once();
"""

BACKWARDS = """
DROP TRIGGER riskdesk_override_stays ON accounts_ruleoverride;
DROP TRIGGER riskdesk_news_stays ON accounts_newsannouncement;
DROP TRIGGER riskdesk_holiday_stays ON accounts_marketholiday;
DROP TRIGGER riskdesk_revision_stays ON accounts_calendarrevision;
DROP FUNCTION riskdesk_ends_once();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_history_stays")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
