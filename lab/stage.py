"""The laboratory's faults for the page's side-by-side runs, selected by the orders' ids."""

from collections.abc import Sequence

from kernel.service import Kind
from lab.faults import kills
from lab.settings import LabSettings
from services import SERVICES
from web.stage import Scene

_PREFIX = "stage"
_SLOW_SECONDS = 0.5

SCENES = (
    Scene(
        name="good",
        title="Nothing goes wrong",
        difference="The steps and effects are the same; only the part that decides the next step differs.",
    ),
    Scene(
        name="declined",
        title="The card is declined",
        card="tok_chargeDeclined",
        difference="The workflow keeps the list of compensations in one place; on events, each service reacts to the "
        "refusals of others.",
    ),
    Scene(
        name="sold-out",
        title="Out of stock",
        sku="sold-out-scale",
        difference="Nothing is charged in either style: the workflow does not call payments, and the event that "
        "would cause the charge never comes.",
    ),
    Scene(
        name="undeliverable",
        title="Undeliverable, detected after the charge",
        country="AQ",
        difference="In the workflow each undo waits for the previous one, so the stock is held longer. On events the "
        "two are independent, and either may be first.",
    ),
    Scene(
        name="fraud",
        title="Possible fraud: a person decides",
        sku="espresso-machine",
        quantity=1,
        difference="The workflow holds the whole flow with one line. On events, only services that wait for the "
        "missing event are held.",
    ),
    Scene(
        name="lost-reply",
        title="A lost reply after the charge",
        difference="The caller has the unknown outcome: the workflow, or the reaction of payments. The key makes the "
        "retry harmless: one charge each.",
    ),
    Scene(
        name="down",
        title="Payments is down for three seconds",
        difference="Neither loses the order: the retries are recorded in the workflow, or by the consumer. Nothing "
        "is compensated, since payments did not refuse.",
    ),
    Scene(
        name="kill",
        title="kill -9 of the worker, right after the charge",
        difference="The worker is killed twice, once by each order. Temporal waits for the timeout of the lost "
        "attempt; a consumer continues at its offset.",
    ),
)
_BY_NAME = {scene.name: scene for scene in SCENES}


def _operations() -> Sequence[str]:
    moving = (Kind.STEP, Kind.UNDO, Kind.FORWARD)
    return [f"{service.name}.{one.verb}" for service in SERVICES for one in service.operations if one.kind in moving]


FAULTS = ",".join(
    (
        *(f"{operation}=slow:{_SLOW_SECONDS}@{_PREFIX}-slow-*" for operation in _operations()),
        f"payments.charge=lost@{_PREFIX}-*-lost-reply-*",
        f"payments.charge=down:4@{_PREFIX}-*-down-*",
        f"payments.charge=kill-after@{_PREFIX}-*-kill-*",
    )
)


class LabStage:
    """A `web.stage.Stage`."""

    def __init__(self, settings: LabSettings) -> None:
        self._settings = settings

    scenes = SCENES
    slow_motion = f"each step takes {_SLOW_SECONDS:g} s longer"

    def run_id(self, nonce: str, scene: Scene, *, slow: bool) -> str:
        return f"{_PREFIX}-{'slow' if slow else 'real'}-{nonce}-{scene.name}"

    def scene_of(self, run_id: str) -> Scene | None:
        prefix, *more = run_id.split("-", 3)
        return _BY_NAME.get(more[2]) if prefix == _PREFIX and len(more) == 3 else None

    def kills(self, order_ids: Sequence[str]) -> list[float]:
        return kills(self._settings, order_ids)
