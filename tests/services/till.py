"""Payments and the card processor behind it, with the books of both."""

from lab.faults import Faults, parse
from services.payments.contracts import PaymentGateway, PaymentsPort
from services.payments.service import Payments
from services.payments.simulated_gateway import SimulatedGateway, ledger
from services.payments.tables import payments
from tests.databases import Databases, rows

Line = tuple[str, int, int]  # state, charged, given back


class Till:
    """Another one over the same databases is another process, or the same one after a restart."""

    def __init__(self, databases: Databases, faults: str = "") -> None:
        self.database = databases.migrated("payments")
        self.gateway_database = databases.open("gateway")
        gateway = SimulatedGateway(self.gateway_database)
        gateway.open()
        boundary = Faults(parse(faults), lambda: databases.open("faults"))
        self.gateway: PaymentGateway = boundary.wrap("gateway", gateway)
        self.payments: PaymentsPort = boundary.wrap("payments", Payments(self.database, self.gateway))

    def ledger(self) -> dict[str, Line]:
        """The processor's book, by order: the proof of what happened to the customer's money."""
        lines = rows(self.gateway_database, ledger, "key", "state", "amount", "refunded")
        return {key.partition(":")[0]: (state, amount, refunded) for key, state, amount, refunded in lines}

    def recorded(self) -> list[tuple[str, int, int]]:
        """Our own book: order, charged, given back."""
        lines = rows(self.database, payments, "order_id", "amount", "refunded")
        return [(order, amount, refunded) for order, amount, refunded in lines]
