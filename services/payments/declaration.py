"""The declarations of the payments service and of its provider, the card processor."""

from collections.abc import Sequence
from pathlib import Path

from kernel.books import Books
from kernel.errors import Outage
from kernel.service import Provider, Service, Site, step, undo
from services.payments.contracts import CardDeclined, PaymentDeclined, PaymentGateway, PaymentsPort
from services.payments.events import PaymentFailed, PaymentProcessed, PaymentRefunded


def _open_gateway(site: Site) -> PaymentGateway:
    from services.payments.simulated_gateway import SimulatedGateway

    gateway = SimulatedGateway(site.database)
    gateway.open()
    return gateway


def _open(site: Site) -> PaymentsPort:
    from services.payments.service import Payments  # here, so that a declaration does not import the database

    return Payments(site.database, site.provider(GATEWAY))


def _books(site: Site, orders: Sequence[str]) -> Books:
    from services.payments.books import PaymentsBooks

    return PaymentsBooks(site.database, site.provider(GATEWAY), orders)


GATEWAY: Provider[PaymentGateway] = Provider(
    name="gateway",
    port=PaymentGateway,
    open=_open_gateway,
    verbs=((PaymentGateway.charge, CardDeclined), (PaymentGateway.reverse, Outage)),
)

PAYMENTS: Service[PaymentsPort] = Service(
    name="payments",
    port=PaymentsPort,
    open=_open,
    operations=(
        step(
            PaymentsPort.charge,
            publishes=(PaymentProcessed,),
            refusals=(PaymentDeclined,),
            refused=PaymentFailed,
        ),
        undo(PaymentsPort.refund, of=PaymentsPort.charge, publishes=(PaymentRefunded,)),
    ),
    books=_books,
    migrations=Path(__file__).with_name("migrations"),
    providers=(GATEWAY,),
)
