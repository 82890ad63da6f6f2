"""What the laboratory can add to the page: faults to choose for the two orders that run side by side.

A deployed page has no stage: it neither shows nor accepts a fault.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Scene:
    """A fault to choose.

    Attributes:
        name: part of the orders' ids, by which the fault finds them.
        sku, quantity, card, country: what the order is made of, where it is the order itself that fails.
        orchestration, choreography: what to look for in each style.
        difference: why they differ.
    """

    name: str
    title: str
    orchestration: str
    choreography: str
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
        """What to say beside the choice of slow motion."""
        ...

    def run_id(self, nonce: str, scene: Scene, *, slow: bool) -> str:
        """The id of a run, by which its faults find its orders."""
        ...

    def scene_of(self, run_id: str) -> Scene | None:
        """Which scene this run is; None if it is none of this stage's."""
        ...
