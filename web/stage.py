"""The interface by which the laboratory adds faults to the page's side-by-side runs.

A deployed page has no stage: it neither shows nor accepts a fault.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Scene:
    """A fault that can be chosen.

    Attributes:
        name: part of the orders' ids, by which the fault finds them.
        sku, quantity, card, country: the order's content; some scenes fail by it.
        difference: what to observe: how the styles differ.
    """

    name: str
    title: str
    difference: str
    sku: str = "mug"
    quantity: int = 2
    card: str = "tok_visa"
    country: str = "DE"


class Stage(Protocol):
    @property
    def scenes(self) -> Sequence[Scene]: ...

    @property
    def slow_motion(self) -> str:
        """The label of slow motion."""
        ...

    def run_id(self, nonce: str, scene: Scene, *, slow: bool) -> str:
        """The id of a run, which selects its faults."""
        ...

    def scene_of(self, run_id: str) -> Scene | None:
        """The scene of a run; None if the run is not of this stage."""
        ...

    def kills(self, order_ids: Sequence[str]) -> list[float]:
        """When a fault of these orders killed the worker of both styles; in seconds since 1970."""
        ...
