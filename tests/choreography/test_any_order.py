"""Events that come late, twice and in any order, to every service: an order ends once, and money and stock add up."""

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.invariants import audit
from choreography.events import CancelRequested, OrderContent, OrderPlaced, OrderStalled, ReviewDecided
from choreography.projection import OrderView
from choreography.reactions import REACTIONS
from choreography.reactor import Reactor
from client.contracts import Stage
from client.order import Order, OrderLine
from kernel import outbox
from kernel.contracts import Event, Style
from kernel.envelope import CloudEvent, new_event
from messaging.bus import Recorded
from services import SERVICES
from services.fraud.contracts import Decision
from services.orders.contracts import OrderStatus
from settings import Settings
from tests.shop import sample_order, undeliverable
from wiring.services import Services

ORDERS = {
    "good": {},
    "undeliverable": undeliverable(),
    "declined": {"payment_token": "tok_chargeDeclined"},
    "sold out": {"lines": (OrderLine(sku="sold-out-scale", quantity=1),)},
    "suspicious": {"lines": (OrderLine(sku="espresso-machine", quantity=1),)},
    "fraud": {"lines": (OrderLine(sku="roaster", quantity=1),)},
}
# How they end when nobody says anything.
ENDS = dict.fromkeys(ORDERS, (OrderStatus.REJECTED, Stage.ENDED)) | {
    "good": (OrderStatus.COMPLETED, Stage.ENDED),
    "suspicious": (OrderStatus.IN_PROGRESS, Stage.REVIEW),
}

PEOPLE: dict[str, Event] = {
    "cancel": CancelRequested(reason=""),
    "approve": ReviewDecided(decision=Decision.APPROVE, note=""),
    "decline": ReviewDecided(decision=Decision.DECLINE, note=""),
    "stalled": OrderStalled(step="", reason="Outage: nothing happened"),
}


class Delivery:
    """A bus at its worst: each service has all events published so far, and takes them in any order."""

    def __init__(self, shop: Services, chance: random.Random) -> None:
        self._shop = shop
        self._chance = chance
        self._services = {
            service.name: Reactor(service, shop.open(service), shop.database(service.name), 60, 60, REACTIONS)
            for service in SERVICES
        }
        self._rules = {service: reactor.subscription().rule for service, reactor in self._services.items()}
        self._open: dict[str, list[CloudEvent]] = {service.name: [] for service in SERVICES}
        self._old: list[tuple[str, CloudEvent]] = []
        self.published: list[Recorded] = []

    def publish(self, event: CloudEvent) -> None:
        self.published.append(Recorded(len(self.published), event))
        for service in self._services:
            if self._rules[service].fits(event):
                self._open[service].append(event)

    def run(self) -> None:
        """Until every service has had every event, some of them twice."""
        while any(self._open.values()):
            service = self._chance.choice([one for one, events in self._open.items() if events])
            event = self._open[service].pop(self._chance.randrange(len(self._open[service])))
            self._deliver(service, event)
            self._old.append((service, event))
            if self._chance.random() < 0.3:
                self._deliver(*self._chance.choice(self._old))

    def of(self, order: Order) -> list[Recorded]:
        return [one for one in self.published if one.event.correlationid == order.order_id]

    def _deliver(self, service: str, event: CloudEvent) -> None:
        self._services[service].handle(Recorded(0, event))
        with self._shop.database(service).begin() as tx:
            positions, events = outbox.oldest(tx, f"/{service}", 100)
            if positions:
                outbox.published(tx, positions)
        for one in events:
            self.publish(one)


def said(order: Order, event: Event, event_id: str) -> CloudEvent:
    return new_event(
        event.type(),
        event.model_dump(mode="json"),
        event_id=event_id,
        source="/people",
        correlation=order.order_id,
        causation="/people",
        style=Style.CHOREOGRAPHY,
    )


@contextmanager
def a_shop() -> Iterator[tuple[Settings, Services]]:
    with TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        with closing(Services(settings)) as shop:
            yield settings, shop


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kinds=st.lists(st.sampled_from(sorted(ORDERS)), min_size=2, max_size=4),
    words=st.lists(st.sampled_from(sorted(PEOPLE)), max_size=3),
    seed=st.integers(0, 10_000),
)
def test_late_repeated_and_reordered_events_end_every_order_once(kinds: list[str], words: list[str], seed: int) -> None:
    chance = random.Random(seed)
    with a_shop() as (configured, shop):
        delivery = Delivery(shop, chance)
        orders = [sample_order(**ORDERS[kind]) for kind in kinds]
        for order in orders:
            delivery.publish(
                said(order, OrderPlaced(order=OrderContent.model_validate(order.content())), f"{order.order_id}:placed")
            )
            for number, word in enumerate(words):
                delivery.publish(said(order, PEOPLE[word], f"{order.order_id}:{number}"))
        delivery.run()
        report = audit(configured)
    assert report.violations == []
    for kind, order in zip(kinds, orders, strict=True):
        state = OrderView(order.order_id, delivery.of(order)).state
        if words:
            assert state.stage is Stage.ENDED
        else:
            assert (state.status, state.stage) == ENDS[kind]
