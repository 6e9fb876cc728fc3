"""Telling people: alerts (episodes), their hash-chained history, destinations and the outbox of deliveries."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import Account, Challenge
from monitoring.models import RiskEvent


class Severity(models.TextChoices):
    """How bad an alert is; a breach and the steps from 90 % on are critical."""

    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"


class AlertState(models.TextChoices):
    """Where an episode stands; silenced and inhibited are overlays, not states."""

    PENDING = "pending", "Pending"
    FIRING = "firing", "Firing"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    RESOLVED = "resolved", "Resolved"


class ResolvedBy(models.TextChoices):
    """Who ended an episode: the engine's own event, a person, or time."""

    SOURCE = "source", "The engine"
    USER = "user", "A person"
    TIMEOUT = "timeout", "Time"


class Alert(models.Model):
    """One episode of one dedup key; every change goes through `deliveries.transition`. Money in account currency."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dedup_key = models.CharField(max_length=64)  # sha256(kind|scope|rule)
    dedup_text = models.CharField(max_length=255)  # the same for people
    episode = models.PositiveIntegerField()
    kind = models.CharField(max_length=40, db_index=True)  # routes.AlertKind
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="alerts")
    challenge = models.ForeignKey(Challenge, null=True, on_delete=models.PROTECT, related_name="alerts")
    rule = models.CharField(max_length=40, blank=True)
    rule_version = models.PositiveIntegerField(null=True)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    state = models.CharField(max_length=12, choices=AlertState.choices)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)  # the engine's sentence with its numbers
    used = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    step = models.PositiveSmallIntegerField(default=0)
    mode = models.CharField(max_length=8, default="live")  # live | dry_run: whether the breach was acted on
    first_event = models.ForeignKey(RiskEvent, null=True, on_delete=models.PROTECT, related_name="+")
    first_fired_at = models.DateTimeField()
    last_event_at = models.DateTimeField()
    fired_count = models.PositiveIntegerField(default=1)
    acked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    acked_at = models.DateTimeField(null=True, blank=True)
    ack_until = models.DateTimeField(null=True, blank=True)
    clear_due_at = models.DateTimeField(
        null=True, blank=True
    )  # cleared by the engine; resolves then, unless it re-fires
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=8, choices=ResolvedBy.choices, blank=True)
    version = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-first_fired_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["dedup_key"], condition=Q(resolved_at=None), name="one_open_episode_per_dedup_key"
            ),
            models.UniqueConstraint(fields=["dedup_key", "episode"], name="episode_once_per_dedup_key"),
        ]
        indexes = [
            models.Index(fields=["state", "severity", "-first_fired_at"], name="alert_queue"),
            models.Index(fields=["clear_due_at"], name="alert_clearing", condition=Q(clear_due_at__isnull=False)),
            models.Index(fields=["ack_until"], name="alert_ack_timeout", condition=Q(state="acknowledged")),
        ]

    def __str__(self) -> str:
        return f"{self.dedup_text} #{self.episode}"


class ActorKind(models.TextChoices):
    """From where a transition came."""

    ENGINE = "engine", "Engine"
    USER = "user", "Person"
    SLACK = "slack", "Slack"
    PAGERDUTY = "pagerduty", "PagerDuty"
    EMAIL = "email", "E-mail"
    API = "api", "API"
    TIMER = "timer", "Timer"


class AlertTransition(models.Model):
    """One step of an alert, append only; `hash` covers the row and `prev_hash`, so that a changed past shows."""

    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="transitions")
    version = models.PositiveIntegerField()  # the alert's version after this step
    event = models.CharField(max_length=20)  # routes.AlertEvent
    from_state = models.CharField(max_length=12, blank=True)
    to_state = models.CharField(max_length=12)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    actor_kind = models.CharField(max_length=10, choices=ActorKind.choices)
    actor_name = models.CharField(max_length=150, blank=True)
    risk_event = models.ForeignKey(RiskEvent, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    at = models.DateTimeField()
    prev_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["alert", "version"]
        constraints = [models.UniqueConstraint(fields=["alert", "version"], name="one_transition_per_alert_version")]

    def __str__(self) -> str:
        return f"{self.alert_id} v{self.version}: {self.event}"


class DestinationKind(models.TextChoices):
    """How a destination is reached: the transport's name."""

    SLACK_BOT = "slack_bot", "Slack (bot)"
    SLACK_WEBHOOK = "slack_webhook", "Slack (incoming webhook)"
    EMAIL = "email", "E-mail"
    PAGERDUTY = "pagerduty", "PagerDuty"
    APPRISE = "apprise", "Apprise"
    WEBHOOK = "webhook", "Webhook"


class ConfigSource(models.TextChoices):
    """Where a destination's secret lives; one from the environment never enters the database."""

    ENVIRONMENT = "environment", "The environment"


class DestinationHealth(models.TextChoices):
    """Whether the last attempts reached it."""

    OK = "ok", "OK"
    DEGRADED = "degraded", "Degraded"
    DISABLED = "disabled", "Disabled"


class Destination(models.Model):
    """Where alerts go. `config_ref` names the setting that holds the secret, never the secret."""

    kind = models.CharField(max_length=16, choices=DestinationKind.choices)
    name = models.CharField(max_length=80, unique=True)
    config_source = models.CharField(max_length=12, choices=ConfigSource.choices, default=ConfigSource.ENVIRONMENT)
    config_ref = models.CharField(max_length=80)
    health = models.CharField(max_length=8, choices=DestinationHealth.choices, default=DestinationHealth.OK)
    disabled_reason = models.CharField(max_length=200, blank=True)
    consecutive_failures = models.PositiveIntegerField(default=0)
    paused_until = models.DateTimeField(null=True, blank=True)  # after a 429 the whole destination waits
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class DeliveryKind(models.TextChoices):
    """What a delivery tells."""

    TRIGGER = "trigger", "First message"
    UPDATE = "update", "Update"
    ACK = "ack", "Acknowledgement"
    RESOLVE = "resolve", "Resolution"
    REPEAT = "repeat", "Repeat"
    DIGEST = "digest", "Digest"
    TEST = "test", "Test"


class DeliveryState(models.TextChoices):
    """The outbox's states; sent, dead, superseded and suppressed are final, unknown may be."""

    PENDING = "pending", "Waiting"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    CONFIRMED = "confirmed", "Confirmed"
    UNKNOWN = "unknown", "Outcome unknown"
    DEAD = "dead", "Not delivered"
    SUPERSEDED = "superseded", "Superseded"
    SUPPRESSED = "suppressed", "Suppressed"


UNSETTLED = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.UNKNOWN)


class Delivery(models.Model):
    """One message to one destination. Only a lease holder sends; `send_started_at` says that bytes may have left."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="deliveries")
    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="deliveries")
    kind = models.CharField(max_length=8, choices=DeliveryKind.choices)
    payload_version = models.PositiveIntegerField()  # the alert's version that it tells
    idempotency_key = models.CharField(max_length=64, unique=True)
    priority = models.PositiveSmallIntegerField()  # 0 critical, 5 warning, 9 info
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    reason = models.TextField(blank=True)  # why suppressed, superseded, unknown or dead
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=80, blank=True)
    send_started_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    resends_after_unknown = models.PositiveSmallIntegerField(default=0)
    deadline = models.DateTimeField()
    ordering_key = models.CharField(max_length=100)  # destination:alert
    ordering_seq = models.PositiveIntegerField()
    provider_ref = models.JSONField(default=dict, blank=True)
    event_at = models.DateTimeField()  # when the risk event was written: the start of event-to-sent
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    superseded_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["created_at", "ordering_seq"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["ordering_key", "ordering_seq"], name="ordering_seq_once_per_key")
        ]
        indexes = [
            models.Index(
                fields=["priority", "next_attempt_at"],
                name="delivery_due",
                condition=Q(state__in=["pending", "sending", "unknown"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}: {self.state}"


class AttemptOutcome(models.TextChoices):
    """How a provider's answer was read."""

    OK = "ok", "Accepted"
    RETRY = "retry", "Refused for now"
    PERMANENT = "permanent", "Refused"
    AMBIGUOUS = "ambiguous", "No usable answer"


class DeliveryAttempt(models.Model):
    """One try of a delivery, append only; the excerpt is redacted."""

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="tries")
    n = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    ms = models.PositiveIntegerField(null=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    provider_code = models.CharField(max_length=80, blank=True)
    retry_after = models.FloatField(null=True)  # seconds, as asked by the provider
    outcome = models.CharField(max_length=10, choices=AttemptOutcome.choices)
    request_digest = models.CharField(max_length=64, blank=True)
    response_excerpt = models.CharField(max_length=2048, blank=True)
    worker = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ["delivery", "n"]
        constraints = [models.UniqueConstraint(fields=["delivery", "n"], name="attempt_once_per_delivery")]

    def __str__(self) -> str:
        return f"{self.delivery_id} #{self.n}: {self.outcome}"
