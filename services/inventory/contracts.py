"""The inventory service's commands, replies, refusals and port."""

from typing import Protocol

from kernel.contracts import Command, Contract, Undo, Undone
from kernel.errors import Refusal


class StockLine(Contract):
    """`quantity` pieces of a product."""

    sku: str
    quantity: int


class ReserveStock(Command):
    lines: tuple[StockLine, ...]

    def in_words(self) -> str:
        return ", ".join(f"{line.quantity} × {line.sku}" for line in self.lines[:5])


class Reserved(Contract):
    pass


class NotEnoughStock(Refusal, name="OutOfStock"):
    """There are not enough pieces on hand."""


class InventoryPort(Protocol):
    def reserve(self, command: ReserveStock) -> Reserved: ...
    def release(self, command: Undo) -> Undone: ...
