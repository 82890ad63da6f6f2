"""Stock and money add up whatever is done, repeated, lost, undone or late, in any order."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.contracts import Contract, Undone
from kernel.errors import AlreadyUndone, Outage, Refusal
from lab.faults import Faults, parse
from services.inventory.contracts import Reserved
from services.inventory.service import Inventory
from services.inventory.tables import reservations
from services.payments.contracts import CardDeclined, Charged, PaymentDeclined
from services.payments.service import Payments
from tests.databases import Databases, rows
from tests.services.samples import EMPTY_CARD, GOOD_CARD, KETTLE, MUG, PRICE, charge, euros, reserve, stock_lines, undo
from tests.services.till import Till

RECEIVED = {MUG: 3, KETTLE: 1}
WANTED = {"order-1": {MUG: 2}, "order-2": {MUG: 1, KETTLE: 1}, "order-3": {KETTLE: 1}}
CARDS = {"order-1": GOOD_CARD, "order-2": GOOD_CARD, "order-3": EMPTY_CARD}

orders = st.sampled_from(sorted(WANTED))


class OneShop(RuleBasedStateMachine):
    """Inventory and payments, used by callers who know nothing of each other."""

    def __init__(self) -> None:
        super().__init__()
        self._databases = Databases(lambda _name: "sqlite://")
        self._stock = self._databases.migrated("inventory")
        self._inventory = Inventory(self._stock)
        self._inventory.stock(stock_lines(RECEIVED))
        self._till = Till(self._databases)
        lossy = Faults(parse("gateway.charge=lost:*,gateway.reverse=lost:*"), lambda: self._databases.open("faults"))
        self._unheard = Payments(self._till.database, lossy.wrap("gateway", self._till.gateway))
        self._first: dict[str, Contract | type[Refusal]] = {}
        self._undone: set[str] = set()
        self._reversal_begun: set[str] = set()

    @rule(order=orders)
    def reserve(self, order: str) -> None:
        self._do(f"{order}:reserve", lambda: self._inventory.reserve(reserve(WANTED[order], order)))

    @rule(order=orders)
    def release(self, order: str) -> None:
        self._undo(f"{order}:reserve", lambda: self._inventory.release(undo("reserve", order)))

    @rule(order=orders)
    def charge(self, order: str) -> None:
        self._do(f"{order}:charge", lambda: self._till.payments.charge(charge(order, card=CARDS[order])))

    @rule(order=orders)
    def refund(self, order: str) -> None:
        self._reversal_begun.add(order)
        self._undo(f"{order}:charge", lambda: self._till.payments.refund(undo("charge", order)))

    @rule(order=orders)
    def charge_and_die_before_it_is_recorded(self, order: str) -> None:
        try:
            self._unheard.charge(charge(order, card=CARDS[order]))
        except Outage:
            assert f"{order}:charge" not in self._first.keys() | self._undone
        except PaymentDeclined as refusal:
            self._first.setdefault(f"{order}:charge", type(refusal))
        except AlreadyUndone:
            assert f"{order}:charge" in self._undone

    @rule(order=orders)
    def refund_and_die_before_it_is_recorded(self, order: str) -> None:
        self._reversal_begun.add(order)
        with pytest.raises(Outage):
            self._unheard.refund(undo("charge", order))

    @rule(order=orders)
    def a_charge_held_up_in_the_network_arrives(self, order: str) -> None:
        try:
            self._till.gateway.charge(f"{order}:charge", euros(PRICE), CARDS[order])
        except CardDeclined:
            assert order in self._reversal_begun or CARDS[order] == EMPTY_CARD

    @invariant()
    def every_piece_is_on_the_shelf_or_held_once(self) -> None:
        held = self._held()
        for sku, on_hand in self._inventory.on_hand().items():
            assert on_hand >= 0
            assert on_hand + sum(lines.get(sku, 0) for lines in held.values()) == RECEIVED[sku]
        assert held == {order: lines for order, lines in WANTED.items() if self._stands(f"{order}:reserve", Reserved)}

    @invariant()
    def every_card_is_charged_once_or_given_its_money_back(self) -> None:
        ledger = self._till.ledger()
        for order, (_state, charged, given_back) in ledger.items():
            assert charged in (0, PRICE)
            assert given_back == (charged if order in self._reversal_begun else 0)
        for order in WANTED:
            if self._stands(f"{order}:charge", Charged):
                assert ledger[order][1] == PRICE

    @invariant()
    def our_book_claims_nothing_that_the_processor_does_not_know(self) -> None:
        ledger = self._till.ledger()
        for order, charged, given_back in self._till.recorded():
            assert charged == ledger[order][1]
            assert given_back == (charged if f"{order}:charge" in self._undone else 0)

    def teardown(self) -> None:
        try:
            for order in WANTED:
                self.release(order)
                self.refund(order)
            assert self._inventory.on_hand() == RECEIVED
            assert all(charged == given_back for _state, charged, given_back in self._till.ledger().values())
            assert all(charged == given_back for _order, charged, given_back in self._till.recorded())
        finally:
            self._databases.close()

    def _do(self, key: str, operation: Callable[[], Contract]) -> None:
        """An undone key is refused; any other gets its first answer, permanently."""
        answer: Contract | type[Refusal]
        try:
            answer = operation()
        except Refusal as refusal:
            answer = type(refusal)
        if key in self._undone:
            assert answer is AlreadyUndone
        else:
            assert answer == self._first.setdefault(key, answer)
            assert answer is not AlreadyUndone

    def _undo(self, key: str, operation: Callable[[], Undone]) -> None:
        assert operation().had_effect == isinstance(self._first.get(key), Contract)
        self._undone.add(key)

    def _stands(self, key: str, reply: type[Contract]) -> bool:
        return key not in self._undone and isinstance(self._first.get(key), reply)

    def _held(self) -> dict[str, dict[str, int]]:
        held: dict[str, dict[str, int]] = {}
        for order, sku, quantity in rows(self._stock, reservations, "order_id", "sku", "quantity"):
            held.setdefault(order, {})[sku] = quantity
        return held


TestAnyOrder = OneShop.TestCase
TestAnyOrder.settings = settings(max_examples=50, stateful_step_count=20, deadline=None, database=None)
