"""What the wrapping service is asked and what it answers."""

from typing import Protocol

from kernel.contracts import Command, Contract, Undo, Undone


class WrapGift(Command):
    pieces: int

    def in_words(self) -> str:
        return f"{self.pieces} pieces"


class Wrapped(Contract):
    pass


class WrappingPort(Protocol):
    def wrap(self, command: WrapGift) -> Wrapped: ...
    def unwrap(self, command: Undo) -> Undone: ...
