"""Prometheus figures of the live path; the monitor serves them on its own loopback port under /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("riskdesk_messages_total", "Upstream messages applied", ["server"])
REFUSALS = Gauge("riskdesk_refusals", "Frames refused since the monitor's start", ["server", "reason"])
LATE = Gauge("riskdesk_late_frames", "Frames older than what was applied", ["server"])
REPEATED = Gauge("riskdesk_repeated_frames", "Frames seen before", ["server"])
FEED_UP = Gauge("riskdesk_feed_connected", "1 while the link to the server is up", ["server"])
FEED_LAG = Gauge("riskdesk_feed_lag_seconds", "Newest frame: received minus its own time", ["server"])
UPDATE_AGE = Gauge("riskdesk_update_age_seconds", "Age of the server's newest frame", ["server"])
ACCOUNTS = Gauge("riskdesk_accounts", "Accounts watched", ["server"])
STALE = Gauge("riskdesk_stale_accounts", "Accounts without fresh data", ["server"])

EVALUATION = Histogram(
    "riskdesk_evaluation_seconds",
    "One message through snapshot and rules (one in 64 is measured)",
    buckets=(1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2, 1e-1),
)
BREACH_TO_COMMAND = Histogram(
    "riskdesk_breach_to_command_seconds",
    "From the frame that breached to the close command's request",
    buckets=(1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2, 1e-1, 1.0),
)
FLAT_AFTER = Histogram(
    "riskdesk_breach_to_flat_seconds",
    "From the breach to the upstream's own word that nothing is open",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
EVENTS = Counter("riskdesk_events_total", "Events by kind", ["event"])
COMMANDS = Counter("riskdesk_commands_total", "Commands sent, by outcome", ["command", "status"])
ENFORCEMENTS_OPEN = Gauge("riskdesk_enforcements_open", "Accounts not yet proven flat and locked")
ENFORCEMENTS_OVERDUE = Gauge("riskdesk_enforcements_overdue", "Of these, longer than 5 s")

RECORDER_QUEUE = Gauge("riskdesk_recorder_queue", "Records waiting for PostgreSQL")
RECORDED = Counter("riskdesk_recorded_total", "Records written to PostgreSQL", ["kind"])
RECORDER_FAILURES = Counter("riskdesk_recorder_failures_total", "Failed writes to PostgreSQL")
HINT_FAILURES = Counter("riskdesk_alert_hint_failures_total", "Alerting could not be hinted at an event (it sweeps)")
CHECKPOINT_FAILURES = Counter("riskdesk_checkpoint_failures_total", "Failed checkpoints")
CHECKPOINT_AGE = Gauge("riskdesk_checkpoint_age_seconds", "Age of the newest checkpoint in PostgreSQL")
JOURNAL_ERRORS = Gauge("riskdesk_journal_errors", "Writes that the journal's disk refused")
JOURNAL_BYTES = Gauge("riskdesk_journal_bytes", "Bytes appended to the journal since start")
RECORDING_BYTES = Counter("riskdesk_recording_bytes_total", "Bytes written to recordings")
RECORDING_LOST = Counter(
    "riskdesk_recording_lost_total", "Entries that a recording lacks: its disk was slow or refused"
)
PUBLISHED_ROWS = Counter("riskdesk_published_rows_total", "Account rows published")
PUBLISH_FAILURES = Counter("riskdesk_publish_failures_total", "Failed writes to Redis")
PUBLISH_SECONDS = Histogram(
    "riskdesk_publish_seconds", "One batch, from drain to Redis", buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2)
)
LOOP_STALL = Gauge("riskdesk_loop_stall_seconds", "Longest delay of the monitor's loop in the last second")
LEADER = Gauge("riskdesk_leader", "1 while this process leads its shard", ["shard"])
EPOCH = Gauge("riskdesk_epoch", "The epoch this process leads in", ["shard"])

# Of a web process; its /metrics registers them, the monitor's does not have them.
WEB_SOCKETS = Gauge("riskdesk_web_sockets", "Open live sockets of this web process", ["page"], registry=None)
WEB_FRAMES = Counter("riskdesk_web_frames_total", "Frames handed to live sockets", registry=None)
