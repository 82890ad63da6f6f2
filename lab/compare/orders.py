"""The orders of a comparison, derived from the seed alone, so that both styles get the same."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from client.order import Order
from kernel.catalogue import Catalogue, CatalogueProduct
from lab.sample import DECLINED_CARD, GOOD_CARD, sample_order
from services.fraud.contracts import Decision

PER_SECOND = 5.0
_LONGEST_SECOND_THOUGHT = 1.5


class Kind(StrEnum):
    """The planned outcome of an order, apart from faults."""

    GOOD = "good"
    CARD_DECLINED = "card-declined"
    UNDELIVERABLE = "undeliverable"
    SOLD_OUT = "sold-out"
    APPROVED = "approved"
    TURNED_DOWN = "turned-down"
    CANCELLED = "cancelled"


# Dealt from again and again, each time shuffled.
DECK = (
    (Kind.GOOD,) * 10
    + (Kind.CARD_DECLINED, Kind.UNDELIVERABLE) * 2
    + (Kind.SOLD_OUT, Kind.APPROVED, Kind.TURNED_DOWN)
    + (Kind.CANCELLED,) * 3
)
_AMPLE = 1_000_000
CATALOGUE = Catalogue(
    currency="EUR",
    products=[
        CatalogueProduct(sku="coffee-beans", name="Coffee beans, 1 kg", unit_price=1890, stock=_AMPLE),
        CatalogueProduct(sku="tea-sampler", name="Tea sampler, 12 kinds", unit_price=2450, stock=_AMPLE),
        CatalogueProduct(sku="mug", name="Stoneware mug", unit_price=1200, stock=_AMPLE),
        CatalogueProduct(sku="french-press", name="French press, 1 l", unit_price=3900, stock=_AMPLE),
        CatalogueProduct(sku="espresso-machine", name="Espresso machine", unit_price=129900, stock=_AMPLE),
        CatalogueProduct(sku="sold-out-scale", name="Pocket scale", unit_price=4500, stock=0),
    ],
)
_CHEAP = ("coffee-beans", "tea-sampler", "mug", "french-press")  # three times three stay below a possible fraud
_NOT_CHEAP = {
    Kind.SOLD_OUT: "sold-out-scale",
    Kind.APPROVED: "espresso-machine",
    Kind.TURNED_DOWN: "espresso-machine",
}
_DECISIONS = {Kind.APPROVED: Decision.APPROVE, Kind.TURNED_DOWN: Decision.DECLINE}


@dataclass(frozen=True)
class Planned:
    """An order and what people do about it. `after` is in seconds since the first could be placed, `cancel_after`
    since this one was; `decision` is a reviewer's, should the order be held.
    """

    order: Order
    kind: Kind
    after: float
    decision: Decision
    cancel_after: float | None


def planned(seed: int, count: int, suffix: str = "") -> tuple[Planned, ...]:
    """`count` orders of this seed, each of a customer of its own, at random moments, `PER_SECOND` on average.

    Args:
        suffix: of the orders' ids, and of nothing else.
    """
    chance = random.Random(seed)  # noqa: S311 - not for secrets: the same seed must give the same orders
    return tuple(_planned(chance, seed, count, suffix))


def _planned(chance: random.Random, seed: int, count: int, suffix: str) -> Iterator[Planned]:
    moment, deck = 0.0, list[Kind]()
    for number in range(1, count + 1):
        deck = deck or chance.sample(DECK, len(DECK))
        kind = deck.pop()
        skus = chance.sample(_CHEAP, chance.randint(1, 3))
        lines = [(sku, chance.randint(1, 3)) for sku in skus]
        if kind in _NOT_CHEAP:
            lines.append((_NOT_CHEAP[kind], 1))
        name = f"s{seed}-{number:04}-{kind}{suffix}"
        card = DECLINED_CARD if kind is Kind.CARD_DECLINED else GOOD_CARD
        order = sample_order(name, *lines, card=card, country="AQ" if kind is Kind.UNDELIVERABLE else "DE")
        second_thought = chance.uniform(0, _LONGEST_SECOND_THOUGHT)
        yield Planned(
            order=order,
            kind=kind,
            after=moment,
            decision=_DECISIONS.get(kind, Decision.APPROVE),
            cancel_after=second_thought if kind is Kind.CANCELLED else None,
        )
        moment += chance.expovariate(PER_SECOND)
