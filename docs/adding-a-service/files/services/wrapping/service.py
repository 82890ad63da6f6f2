"""The rules of wrapping: an order is wrapped once, and unwrapped when it fails."""

from sqlalchemy import Connection, delete, insert

from kernel.contracts import Undo, Undone
from kernel.database import Database
from kernel.operations import Clock, Operations, system_clock
from services.wrapping.contracts import WrapGift, Wrapped
from services.wrapping.events import GiftUnwrapped, GiftWrapped
from services.wrapping.tables import wrappings


class Wrapping:
    def __init__(self, database: Database, clock: Clock = system_clock) -> None:
        self._operations = Operations(database, clock)

    def wrap(self, command: WrapGift) -> Wrapped:
        """Put the order's pieces in paper."""

        def effect(tx: Connection) -> tuple[Wrapped, GiftWrapped]:
            tx.execute(insert(wrappings), {"order_id": command.order_id, "pieces": command.pieces})
            return Wrapped(), GiftWrapped(pieces=command.pieces)

        return self._operations.do(command, Wrapped, effect)

    def unwrap(self, command: Undo) -> Undone:
        """Take the paper off again."""

        def effect(tx: Connection) -> GiftUnwrapped:
            tx.execute(delete(wrappings).where(wrappings.c.order_id == command.order_id))
            return GiftUnwrapped(had_effect=True)

        return self._operations.undo(command, effect, otherwise=GiftUnwrapped(had_effect=False))
