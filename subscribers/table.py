"""The table of subscriptions: a new subscriber is one line here, and nothing else changes."""

from subscribers.analytics import analytics
from subscribers.audit_log import audit_log
from subscribers.context import Subscriber
from subscribers.notifications import notifications
from subscribers.webhooks import webhooks

SUBSCRIBERS: tuple[Subscriber, ...] = (
    notifications,
    analytics,
    audit_log,
    webhooks,
)
