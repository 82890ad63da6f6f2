"""Webhooks: outside systems get the events that they subscribe to by HTTP, signed according to Standard Webhooks.

The body is the CloudEvent, in its JSON format, with public data only. Each endpoint is a consumer of its own, with its
own position, retries and dead letters. An accepted event is recorded in the inbox afterwards, so a process that dies in
between delivers it again, under the same `webhook-id`, by which an endpoint recognises a repeat.
"""

import base64
import hashlib
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, field_validator, model_validator
from standardwebhooks import Webhook

from kernel import inbox
from kernel.contracts import Seconds
from kernel.database import Storage
from kernel.envelope import CloudEvent
from kernel.environment import EnvironmentSettings
from messaging.bus import Recorded
from messaging.subscription import NonRetryable, RetryPolicy, Rule, Subscription, Unavailable
from subscribers import delivery_log
from subscribers.context import SubscriberContext
from subscribers.http_post import PostFailed, is_refused, post
from subscribers.rate_limit import RateLimit
from subscribers.redaction import redacted, without_data

NAME = "webhooks"

_SECRET_BYTES = range(24, 65)  # as Standard Webhooks requires


class NotAccepted(Exception):
    """The endpoint did not accept the event this time. `wish`: the seconds for which it asks not to be called."""

    def __init__(self, why: str, wish: float = 0) -> None:
        super().__init__(why)
        self.wish = wish


class NotAnswering(NotAccepted, Unavailable):
    """The endpoint seems to accept no event at all."""


class Endpoint(BaseModel):
    """An endpoint, and the events that it gets. Durations are in seconds.

    Attributes:
        secret: `whsec_` and 24 to 64 random bytes in Base64, shared with the endpoint.
        previous_secret: the former one, while the endpoint changes over: deliveries are signed with both.
        allow_http: deliver without encryption.
        allow_link_local: deliver to link-local addresses, and to those where clouds serve a machine's secrets.
        timeout: for one whole exchange.
        types: patterns of event types; `content` as in a Rule, such as {"style": ["choreography"]}.
        per_second: the most deliveries per second, by each process.
        first_pause: before the second attempt; it doubles up to `longest_pause`, until `give_up_after`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern="^[a-z0-9-]{1,40}$")
    url: HttpUrl
    secret: SecretStr
    previous_secret: SecretStr | None = None
    allow_http: bool = False
    allow_link_local: bool = False
    types: tuple[str, ...] = Field(("*",), min_length=1)
    content: dict[str, tuple[Any, ...]] = {}
    per_second: float = Field(10, gt=0, le=1000)
    timeout: Seconds = 15
    first_pause: Seconds = 1
    longest_pause: Seconds = 600
    give_up_after: Seconds = 86_400

    @field_validator("url")
    @classmethod
    def _has_no_password(cls, url: HttpUrl) -> HttpUrl:
        if url.username or url.password:
            raise ValueError("must not have a user or a password: deliveries are signed with the secret")
        return url

    @field_validator("secret", "previous_secret")
    @classmethod
    def _is_a_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        text = secret.get_secret_value() if secret else ""
        if secret and (not text.startswith("whsec_") or len(_key(text)) not in _SECRET_BYTES):
            raise ValueError("must be whsec_ and 24 to 64 bytes in Base64")
        return secret

    @model_validator(mode="after")
    def _is_allowed(self) -> Self:
        if self.url.scheme == "http" and not self.allow_http:
            raise ValueError(f"{self.name}: http:// is not encrypted; use https://, or set allow_http to true")
        if not self.allow_link_local and is_refused(self.url.host or ""):
            raise ValueError(f"{self.name}: {self.url.host} is link-local; set allow_link_local to true if it is meant")
        return self


class WebhookSettings(EnvironmentSettings):
    webhooks: tuple[Endpoint, ...] = ()

    @field_validator("webhooks")
    @classmethod
    def _have_their_own_names(cls, endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        names = [endpoint.name for endpoint in endpoints]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two endpoints are called {twice}")
        return endpoints


class Deliveries:
    """Delivers to one endpoint. Handlers block in their threads for its answer, and for the rate limit."""

    def __init__(self, endpoint: Endpoint, database: Storage, rate_limit: RateLimit) -> None:
        self._endpoint = endpoint
        self._database = database
        self._rate_limit = rate_limit
        self._asked_to_wait: dict[str, float] = {}  # seconds, by event

    def subscription(self) -> Subscription:
        rule = Rule(types=self._endpoint.types, content=self._endpoint.content)
        name = f"webhook-{self._endpoint.name}"
        return Subscription(
            name,
            rule,
            self.handle,
            retry_policy=self.retry_policy,
            settle=self._settle,
            handled=self._handled,
            forget_one=self._forget,
            endpoint=self._endpoint.name,
            from_latest=True,
        )

    def handle(self, recorded: Recorded) -> None:
        """Raises NotAccepted, NonRetryable when the endpoint is gone, or UnknownEvent."""
        event = recorded.event
        message_id = _message_id(event)
        note = self._note(event)
        with self._database.begin() as tx:
            if inbox.repeated(tx, note):
                return
        body = redacted(event).model_dump_json()
        self._rate_limit.wait()
        began, name = time.time(), self._endpoint.name
        try:
            self._deliver(event, message_id, body)
        except (NotAccepted, NonRetryable) as error:
            with self._database.begin() as tx:
                delivery_log.note(tx, name, event, began, str(error))
            raise
        inbox.once(self._database, note, lambda tx: delivery_log.note(tx, name, event, began))

    def _forget(self, event: CloudEvent) -> None:
        """Have it delivered once more, under the same `webhook-id`."""
        with self._database.begin() as tx:
            inbox.forget(tx, self._note(event))

    def _settle(self, event: CloudEvent) -> None:
        inbox.settle(self._database, self._note(event))

    def _handled(self, events: Sequence[CloudEvent]) -> set[str]:
        notes = {event.id: self._note(event) for event in events}
        noted = inbox.known(self._database, list(notes.values()))
        return {event_id for event_id, note in notes.items() if note.id in noted}

    def _note(self, event: CloudEvent) -> CloudEvent:
        return without_data(event).model_copy(update={"id": f"{self._endpoint.name}/{_message_id(event)}"})

    def retry_policy(self, event: CloudEvent) -> RetryPolicy:
        """The endpoint's Retry-After takes precedence over our own backoff, up to the longest pause."""
        endpoint = self._endpoint
        wish = min(self._asked_to_wait.pop(event.id, 0), endpoint.longest_pause)
        if wish > 0:
            return RetryPolicy(first=wish, longest=wish, give_up_after=endpoint.give_up_after)
        return RetryPolicy(endpoint.first_pause, endpoint.longest_pause, endpoint.give_up_after)

    def _deliver(self, event: CloudEvent, message_id: str, body: str) -> None:
        try:
            deliver(self._endpoint, message_id, body, "application/cloudevents+json")
        except NotAccepted as error:
            if error.wish:
                self._asked_to_wait[event.id] = error.wish
            raise


def deliver(endpoint: Endpoint, message_id: str, body: str, content_type: str) -> None:
    """Post the body once, signed.

    Raises:
        NotAccepted: with the seconds of the endpoint's Retry-After, if it sent one.
        NonRetryable: the endpoint is gone.
    """
    now = datetime.now(UTC)
    secrets = [secret for secret in (endpoint.secret, endpoint.previous_secret) if secret]
    signatures = [Webhook(secret.get_secret_value()).sign(message_id, now, body) for secret in secrets]
    headers = {
        "content-type": content_type,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    try:
        answer = post(str(endpoint.url), headers, body, seconds=endpoint.timeout, link_local=endpoint.allow_link_local)
    except PostFailed as failure:
        raise NotAnswering(str(failure)) from failure
    status = answer.status
    if status == HTTPStatus.GONE:
        raise NonRetryable("the endpoint wants no more events: 410 Gone")
    if not 200 <= status < 300:
        wish = _seconds(answer.headers.get("retry-after", ""), now)
        is_down = status >= HTTPStatus.INTERNAL_SERVER_ERROR and not wish
        raise (NotAnswering if is_down else NotAccepted)(f"the endpoint answers {status}", wish)


def _message_id(event: CloudEvent) -> str:
    """The same at every attempt. It is a digest, since it must have no full stop, and an event's id may have one."""
    return "msg_" + hashlib.sha256(f"{event.source} {event.id}".encode()).hexdigest()[:32]


def _seconds(retry_after: str, now: datetime) -> float:
    """A Retry-After header, in either form, as seconds from now; 0 if it is missing or cannot be read."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a time zone
        return 0.0


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return b""


def webhooks(context: SubscriberContext) -> Iterable[Subscription]:
    """One subscription per endpoint. Raises SettingsError."""
    endpoints = WebhookSettings.read().webhooks
    if not endpoints:
        return []
    database = context.database(NAME)
    database.alone(inbox.make)
    database.alone(delivery_log.make)
    return [Deliveries(endpoint, database, RateLimit(endpoint.per_second)).subscription() for endpoint in endpoints]
