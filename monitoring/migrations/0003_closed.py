"""An enforcement of single positions ends with their being closed."""

from django.db import migrations, models

STATES = [
    ("requested", "Requested"),
    ("sent", "Sent"),
    ("accepted", "Accepted"),
    ("partial", "Partly closed"),
    ("rejected", "Rejected"),
    ("unknown", "Outcome unknown"),
    ("overdue", "Overdue"),
    ("flat_confirmed", "Confirmed flat"),
    ("locked", "Flat and locked"),
    ("closed", "Closed what had to go"),
    ("dry_run", "Dry run: nothing sent"),
]


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0002_flags_and_lab")]

    operations = [
        migrations.AlterField("enforcement", "state", models.CharField(choices=STATES, max_length=16)),
    ]
