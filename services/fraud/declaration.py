"""The fraud service's declaration."""

from collections.abc import Sequence
from pathlib import Path

from kernel.books import Books
from kernel.service import Service, Site, step
from services.fraud.contracts import FraudLimits, FraudPort, TakenForFraud
from services.fraud.events import FraudConfirmed, NoFraudDetected, PossibleFraud


def _open(site: Site) -> FraudPort:
    from services.fraud.service import Fraud  # here, so that a declaration does not import the database

    return Fraud(site.database, site.settings(FraudLimits))


def _books(site: Site, orders: Sequence[str]) -> Books:
    from services.fraud.books import FraudBooks

    return FraudBooks(site.database, orders)


FRAUD: Service[FraudPort] = Service(
    name="fraud",
    port=FraudPort,
    open=_open,
    operations=(
        step(
            FraudPort.screen,
            publishes=(NoFraudDetected, PossibleFraud),
            refusals=(TakenForFraud,),
            refused=FraudConfirmed,
        ),
        step(
            FraudPort.decide,
            publishes=(NoFraudDetected, FraudConfirmed),
            refusals=(TakenForFraud,),
            refused=FraudConfirmed,
        ),
    ),
    books=_books,
    migrations=Path(__file__).with_name("migrations"),
    settings=FraudLimits,
)
