"""What the monitor leaves in PostgreSQL: risk events, enforcement, checkpoints, leaders."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from accounts.models import Account, Challenge


class RiskEvent(models.Model):
    """A change of a reading, append only; `key` makes recording it twice harmless.

    Alerting claims a row by a lease and sets `routed_at`; nothing else of the row ever changes.
    Money in account currency.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=255, unique=True)
    shard = models.CharField(max_length=64)
    epoch = models.PositiveIntegerField()
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="risk_events")
    challenge = models.ForeignKey(Challenge, null=True, on_delete=models.PROTECT, related_name="risk_events")
    event = models.CharField(max_length=20, db_index=True)  # engine.events.EventKind
    rule = models.CharField(max_length=40, blank=True)
    severity = models.PositiveSmallIntegerField(default=0)  # 0 normal … 4 breached
    at = models.DateTimeField(db_index=True)
    ingested_at = models.DateTimeField(auto_now_add=True)
    floor = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    measured = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    room = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    used = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    operator = models.CharField(max_length=2, blank=True)
    reason = models.TextField(blank=True)
    consequence = models.CharField(max_length=10, blank=True)
    also = models.JSONField(default=list, blank=True)
    step = models.PositiveSmallIntegerField(default=0)
    rule_set_version = models.PositiveIntegerField(null=True)
    mode = models.CharField(max_length=8, default="live")  # live | dry_run: whether it was acted on
    detail = models.JSONField(default=dict, blank=True)
    routed_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["account", "-at"], name="risk_event_account_at"),
            models.Index(fields=["at"], name="risk_event_unrouted", condition=models.Q(routed_at=None)),
        ]

    def __str__(self) -> str:
        return self.key


class EnforcementState(models.TextChoices):
    """How far an enforcement has come; it ends in proof."""

    REQUESTED = "requested", "Requested"
    SENT = "sent", "Sent"
    ACCEPTED = "accepted", "Accepted"
    PARTIAL = "partial", "Partly closed"
    REJECTED = "rejected", "Rejected"
    UNKNOWN = "unknown", "Outcome unknown"
    OVERDUE = "overdue", "Overdue"
    FLAT_CONFIRMED = "flat_confirmed", "Confirmed flat"
    LOCKED = "locked", "Flat and locked"
    CLOSED = "closed", "Closed what had to go"
    DRY_RUN = "dry_run", "Dry run: nothing sent"


class Enforcement(models.Model):
    """What was done about one breach; `commands` lists each command with its times and the upstream's answer."""

    event_key = models.CharField(max_length=255, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="enforcements")
    state = models.CharField(max_length=16, choices=EnforcementState.choices)
    requested_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    flat_at = models.DateTimeField(null=True)
    locked_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    equity_at_detection = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    lowest_equity = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    equity_after = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    commands = models.JSONField(default=list, blank=True)
    last_error = models.TextField(blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return f"{self.event_key}: {self.state}"


class Checkpoint(models.Model):
    """An account's rule state as of `version` of `epoch`: msgpack of engine.snapshot.AccountState."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="checkpoint")
    epoch = models.PositiveIntegerField()
    version = models.PositiveBigIntegerField()
    state = models.BinaryField()
    saved_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.account_id} e{self.epoch} v{self.version}"


class Leadership(models.Model):
    """Who leads a shard; `epoch` rises with each takeover and is written with every command."""

    shard = models.CharField(max_length=64, primary_key=True)
    epoch = models.PositiveIntegerField(default=0)
    holder = models.CharField(max_length=120, blank=True)  # host:pid
    since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.shard} e{self.epoch} {self.holder}"


class FlagDecision(models.TextChoices):
    """What a person made of a flagged violation."""

    UPHELD = "upheld", "Upheld"
    DISMISSED = "dismissed", "Dismissed"


class FlagReview(models.Model):
    """A person's decision on one violation of the review queue; the event itself never changes."""

    event = models.OneToOneField(RiskEvent, on_delete=models.PROTECT, related_name="review")
    decision = models.CharField(max_length=10, choices=FlagDecision.choices)
    reason = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.event_id}: {self.decision}"


class LabState(models.TextChoices):
    """How far a run of the rule lab has come."""

    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class LabRun(models.Model):
    """One comparison of two rule sets over recorded or uploaded frames, in the queue `jobs`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=LabState.choices, default=LabState.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0)  # percent of the bytes read
    cancel_requested = models.BooleanField(default=False)
    shard = models.CharField(max_length=64, blank=True, default="")  # of the recording; empty: an upload
    first_day = models.DateField(null=True)
    last_day = models.DateField(null=True)
    upload_name = models.CharField(max_length=200, blank=True, default="")
    label_a = models.CharField(max_length=200)
    label_b = models.CharField(max_length=200)
    document_a = models.JSONField()
    document_b = models.JSONField()
    result = models.JSONField(null=True)  # monitoring.lab: one row an account
    error = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.label_a} / {self.label_b}: {self.state}"
