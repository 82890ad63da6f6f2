"""Each alert: its fault is made, its metric crosses the rule's number, and comes back when it is mended."""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
from ruamel.yaml import YAML
from sqlalchemy import delete, insert, update

from client.attention import AttentionKind
from client.contracts import Resolution, ResolveBy, Review, Stage
from client.order import Order, OrderLine
from kernel.contracts import Style
from kernel.database import Database
from messaging.failure import FailureState
from messaging.sql_log import log
from services.fraud.contracts import Decision
from services.payments.simulated_gateway import ledger
from tests.observability.observed import ObservedShop
from tests.processes import ROOT
from tests.shop import eventually, sample_order, undeliverable
from tests.subscribers.http_endpoint import Answer, HttpEndpoint
from wiring.operations import reconcile

RUNBOOK = (ROOT / "docs" / "operating.md").read_text()
EXPRESSION = re.compile(r"(order_saga_\w+)(?:\{(\w+)(=~?)\"([\w|-]+)\"\})? > (\d+)")

Fault = Callable[[ObservedShop, HttpEndpoint, pytest.MonkeyPatch], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Rule:
    """`metric > number`, of the series whose label fits."""

    metric: str
    label: str
    values: tuple[str, ...]
    number: float

    async def fires(self, shop: ObservedShop) -> bool:
        """Whether it would, once it has been so for long enough."""
        found = [
            value
            for (name, labels), value in (await shop.port.metrics()).items()
            if name == self.metric and (not self.label or dict(labels)[self.label] in self.values)
        ]
        assert found, f"{self.metric} has no series that fits"
        return max(found) > self.number


def _rules() -> dict[str, Rule]:
    document = YAML(typ="safe", pure=True).load(ROOT / "ops" / "alerts.yml")
    rules = {}
    for rule in document["groups"][0]["rules"]:
        parsed = EXPRESSION.fullmatch(rule["expr"])
        assert parsed, f"{rule['alert']}: {rule['expr']} is not `metric > number`"
        metric, label, _, values, number = parsed.groups()
        rules[rule["alert"]] = Rule(metric, label or "", tuple((values or "").split("|")), float(number))
        assert rule["for"]
        assert rule["annotations"]["runbook"] == f"docs/operating.md#alert-{rule['alert'].lower()}"
    return rules


RULES = _rules()


@asynccontextmanager
async def _undo_failed(shop: ObservedShop, *_: object) -> AsyncIterator[None]:
    order = sample_order("refused-payments.refund", **undeliverable())
    await shop.orchestrated.run(order)
    yield
    saga = shop.orchestrated.saga()
    await saga.resolve(order.order_id, Resolution(decision=ResolveBy.RETRY))
    await saga.outcome(order.order_id)


@asynccontextmanager
async def _ended_by_force(shop: ObservedShop, *_: object) -> AsyncIterator[None]:
    order, saga = await _in_review(shop), shop.orchestrated.saga()
    await shop.orchestrated.handle(order).terminate("by mistake")
    yield
    await saga.resolve(order.order_id, Resolution(decision=ResolveBy.RETRY))
    await _approve(shop, order)


async def _in_review(shop: ObservedShop) -> Order:
    order = sample_order(lines=(OrderLine(sku="espresso-machine", quantity=1),))
    await shop.orchestrated.saga().place(order)
    await shop.orchestrated.until(order, lambda state: state.stage is Stage.REVIEW)
    return order


async def _approve(shop: ObservedShop, order: Order) -> None:
    await shop.orchestrated.until(order, lambda state: state.stage is Stage.REVIEW)
    await shop.orchestrated.saga().review(order.order_id, Review(decision=Decision.APPROVE))
    await shop.orchestrated.saga().outcome(order.order_id)


@asynccontextmanager
async def _step_retrying(shop: ObservedShop, *_: object) -> AsyncIterator[None]:
    orders = {style: sample_order("down-inventory.reserve") for style in Style}
    await shop.orchestrated.saga().place(orders[Style.ORCHESTRATION])
    await shop.choreographed.client.place(orders[Style.CHOREOGRAPHY])
    while (await shop.port.value("order_saga_attention", kind="retrying") or 0) < len(orders):
        pass
    yield
    await shop.orchestrated.saga().cancel(orders[Style.ORCHESTRATION].order_id, "")
    await shop.choreographed.client.cancel(orders[Style.CHOREOGRAPHY].order_id, "")


@asynccontextmanager
async def _review_overdue(
    shop: ObservedShop, _endpoint: HttpEndpoint, patch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """By a clock that is 13 hours ahead."""
    order = await _in_review(shop)
    patch.setattr("observability.samples.now", lambda: time.time() + 13 * 3600)
    yield
    await _approve(shop, order)


@asynccontextmanager
async def _dead_letters(shop: ObservedShop, *_: object) -> AsyncIterator[None]:
    """A message on the bus that is no event."""
    bus = shop.services.database("bus")
    message = {"event_id": "no-event", "partition": 0, "correlation": "nobody", "type": "Nonsense", "recorded_at": 0}
    with bus.begin() as tx:
        tx.execute(insert(log), message | {"event": "no event"})
    yield
    progress = shop.choreographed.eventing.progress
    for row in progress.rows((FailureState.UNREADABLE,), "", None, ""):
        progress.discard(row.consumer, row.event_id, "nonsense")
    with bus.begin() as tx:
        tx.execute(delete(log).where(log.c.event_id == "no-event"))


@asynccontextmanager
async def _webhook_failing(shop: ObservedShop, endpoint: HttpEndpoint, *_: object) -> AsyncIterator[None]:
    endpoint.answers = [Answer(503)] * 1_000
    await shop.orchestrated.run(sample_order(payment_token="tok_chargeDeclined"))
    yield
    endpoint.answers = []


@asynccontextmanager
async def _events_behind(shop: ObservedShop, _endpoint: HttpEndpoint, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The relay fetches nothing."""
    with patch.context() as stopped:
        stopped.setattr("messaging.relay.outbox.oldest", lambda *_: ([], []))
        await shop.orchestrated.run(sample_order())
        yield


@asynccontextmanager
async def _not_adding_up(shop: ObservedShop, *_: object) -> AsyncIterator[None]:
    """The card processor has given money back that we know nothing of."""
    order, settings = sample_order(), shop.orchestrated.settings
    await shop.orchestrated.run(order)
    gateway = Database(settings.url_of("gateway"))
    for refunded in (100, 0):
        with gateway.begin() as tx:
            tx.execute(update(ledger).where(ledger.c.key == f"{order.order_id}:charge").values(refunded=refunded))
        reconcile(settings)
        if refunded:
            yield
    gateway.close()


FAULTS: dict[str, Fault] = {
    "UndoFailed": _undo_failed,
    "EndedByForce": _ended_by_force,
    "StepRetrying": _step_retrying,
    "ReviewOverdue": _review_overdue,
    "DeadLetters": _dead_letters,
    "WebhookFailing": _webhook_failing,
    "EventsBehind": _events_behind,
    "NotAddingUp": _not_adding_up,
}


def test_there_are_eight_alerts_at_most_each_with_its_fault_and_its_runbook() -> None:
    assert len(RULES) <= 8
    assert RULES.keys() == FAULTS.keys()
    headings = set(re.findall(r"^### Alert: (\w+)$", RUNBOOK, re.MULTILINE))
    assert headings == RULES.keys()


def test_whatever_needs_a_person_raises_an_alert() -> None:
    by_kind = {value for rule in RULES.values() if rule.metric == "order_saga_attention" for value in rule.values}
    by_a_metric_of_their_own = {
        AttentionKind.REVIEW: "order_saga_oldest_review_seconds",
        AttentionKind.DEAD_LETTER: "order_saga_dead_letters",
        AttentionKind.QUARANTINED: "order_saga_dead_letters",
        AttentionKind.WEBHOOK: "order_saga_webhook_failures",
    }
    assert set(by_a_metric_of_their_own.values()) <= {rule.metric for rule in RULES.values()}
    assert by_kind | set(by_a_metric_of_their_own) == set(AttentionKind)


@pytest.mark.parametrize("alert", RULES)
async def test_an_alert_fires_while_its_fault_lasts(
    shop: ObservedShop, endpoint: HttpEndpoint, alert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = RULES[alert]
    await eventually(lambda: _is(rule, shop, firing=False))
    async with FAULTS[alert](shop, endpoint, monkeypatch):
        await eventually(lambda: _is(rule, shop, firing=True))
    await eventually(lambda: _is(rule, shop, firing=False))


async def _is(rule: Rule, shop: ObservedShop, *, firing: bool) -> bool:
    return await rule.fires(shop) is firing
