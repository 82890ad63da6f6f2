"""What the wrapping service declares of itself."""

from collections.abc import Sequence
from pathlib import Path

from kernel.books import Books
from kernel.service import Service, Site, step, undo
from services.wrapping.contracts import WrappingPort
from services.wrapping.events import GiftUnwrapped, GiftWrapped


def _open(site: Site) -> WrappingPort:
    from services.wrapping.service import Wrapping  # here, so that a declaration does not import the database

    return Wrapping(site.database)


def _books(site: Site, orders: Sequence[str]) -> Books:
    from services.wrapping.books import WrappingBooks

    return WrappingBooks(site.database, orders)


WRAPPING: Service[WrappingPort] = Service(
    name="wrapping",
    port=WrappingPort,
    open=_open,
    operations=(
        step(WrappingPort.wrap, publishes=(GiftWrapped,)),
        undo(WrappingPort.unwrap, of=WrappingPort.wrap, publishes=(GiftUnwrapped,)),
    ),
    books=_books,
    migrations=Path(__file__).with_name("migrations"),
)
