"""The laboratory's faults for the page's side-by-side runs, selected by the orders' ids."""

from collections.abc import Sequence

from kernel.service import Kind
from services import SERVICES
from web.stage import Scene

_PREFIX = "stage"
_SLOW_SECONDS = 0.7

SCENES = (
    Scene(
        name="good",
        title="Nothing goes wrong",
        orchestration="The workflow calls one service after another, and always knows the next step.",
        choreography="Each service waits for the events that it needs, and publishes its own.",
        difference="The steps and effects are the same; only the part that decides the next step differs.",
    ),
    Scene(
        name="declined",
        title="The card is declined",
        card="tok_chargeDeclined",
        orchestration="Payments refuses. The workflow compensates, newest first: the stock is released, then the "
        "order is rejected.",
        choreography="Payments publishes PaymentFailed. Inventory subscribes to it and releases its own stock; "
        "orders waits for that, and rejects the order.",
        difference="The workflow keeps the list of compensations in one place; on events, each service reacts to the "
        "refusals of others.",
    ),
    Scene(
        name="sold-out",
        title="Out of stock",
        sku="sold-out-scale",
        orchestration="Inventory refuses. The workflow only has to reject the order.",
        choreography="Inventory publishes OutOfStock. Payments never receives StockReserved, and charges nothing; "
        "orders rejects the order.",
        difference="Nothing is charged in either style: the workflow does not call payments, and the event that "
        "would cause the charge never comes.",
    ),
    Scene(
        name="undeliverable",
        title="Undeliverable, detected after the charge",
        country="AQ",
        orchestration="Shipping refuses after the charge. The workflow compensates one step after another, newest "
        "first: it refunds, releases the stock, and rejects the order.",
        choreography="Shipping publishes ShippingFailed. Payments and inventory both subscribe to it: refund and "
        "release run concurrently; orders waits for both, and rejects the order.",
        difference="In the workflow each undo waits for the previous one, so the stock is held longer. On events the "
        "two are independent, and either may be first.",
    ),
    Scene(
        name="fraud",
        title="Possible fraud: a person decides",
        sku="espresso-machine",
        quantity=1,
        orchestration="The workflow holds the order before anything is charged, and waits for a decision, for up to "
        "a day.",
        choreography="Fraud publishes PossibleFraud. Payments does not wait for the decision, and charges; only "
        "shipping waits for NoFraudDetected. If the order is declined, the charge is refunded.",
        difference="The workflow holds the whole flow with one line. On events, only services that wait for the "
        "missing event are held.",
    ),
    Scene(
        name="lost-reply",
        title="A lost reply after the charge",
        orchestration="The charge is made, but its reply is lost. The workflow retries with the same idempotency "
        "key, gets the first answer, and continues.",
        choreography="Payments does not know the outcome of its charge. It retries its reaction with the same key, "
        "and its event is published once.",
        difference="The caller has the unknown outcome: the workflow, or the reaction of payments. The key makes the "
        "retry harmless: one charge each.",
    ),
    Scene(
        name="down",
        title="Payments is down for three seconds",
        orchestration="The workflow retries the charge with backoff. All later steps wait.",
        choreography="Payments retries the event with backoff. Reactions that do not need the charge continue.",
        difference="Neither loses the order: the retries are recorded in the workflow, or by the consumer. Nothing "
        "is compensated, since payments did not refuse.",
    ),
    Scene(
        name="kill",
        title="kill -9 of the worker, right after the charge",
        orchestration="The process dies between the charge and its reply. The workflow waits for its attempt to time "
        "out, retries with the same key, and gets the first answer.",
        choreography="The process dies after the commit. Charge, outbox and inbox were one transaction. The relay "
        "publishes the event after the restart.",
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

    scenes = SCENES
    slow_motion = f"each step takes {_SLOW_SECONDS:g} s longer"

    def run_id(self, nonce: str, scene: Scene, *, slow: bool) -> str:
        return f"{_PREFIX}-{'slow' if slow else 'real'}-{nonce}-{scene.name}"

    def scene_of(self, run_id: str) -> Scene | None:
        prefix, *more = run_id.split("-", 3)
        return _BY_NAME.get(more[2]) if prefix == _PREFIX and len(more) == 3 else None
