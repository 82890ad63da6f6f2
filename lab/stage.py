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
        orchestration="The workflow asks one service after the other, and knows at each moment what is next.",
        choreography="Nobody asks: each service waits for the events that it needs, and publishes its own.",
        difference="The same steps with the same effects; only who decides what is next is another.",
    ),
    Scene(
        name="declined",
        title="The card is declined",
        card="tok_chargeDeclined",
        orchestration="Payments refuses. It undoes what was done, newest first: the stock is released, "
        "then the order is rejected.",
        choreography="Payments publishes PaymentFailed. Inventory subscribes to it and releases its own stock; orders "
        "waits for that, and rejects the order.",
        difference="One place holds the list of what to undo; or each service knows for itself what a refusal "
        "elsewhere means for it.",
    ),
    Scene(
        name="sold-out",
        title="Out of stock",
        sku="sold-out-scale",
        orchestration="Inventory refuses. The workflow has nothing to give back but the order itself.",
        choreography="Inventory publishes OutOfStock. Payments never gets the StockReserved that it waits for, and "
        "charges nothing; orders rejects.",
        difference="Nothing is charged in either style: the workflow does not ask for it, and the event that would "
        "cause it never comes.",
    ),
    Scene(
        name="undeliverable",
        title="Undeliverable, found out after the charge",
        country="AQ",
        orchestration="Shipping refuses, when the card is charged already. The workflow undoes newest first, one after "
        "the other: it refunds, releases the stock, rejects the order.",
        choreography="Shipping publishes ShippingFailed. Payments and inventory both subscribe to it: refund and "
        "release happen side by side, in no order; orders waits for both, and rejects.",
        difference="In the workflow an undo waits for the one before it, so the stock is held for longer. On events "
        "the two do not know of each other, and for a moment either may be first.",
    ),
    Scene(
        name="fraud",
        title="Possible fraud: a person decides",
        sku="espresso-machine",
        quantity=1,
        orchestration="The workflow holds the order before anything is charged, and waits, for a day if need be.",
        choreography="Fraud publishes PossibleFraud, which nobody waits for: payments charges meanwhile. Only shipping "
        "waits for NoFraudDetected. Declined, what was charged is refunded.",
        difference="To hold a flow is a line in the workflow. On events it is held only where somebody waits for "
        "an event that does not come.",
    ),
    Scene(
        name="lost-reply",
        title="A lost reply: charged, and nobody knows",
        orchestration="The charge is made, its reply is lost. The workflow asks again under the same key, gets the "
        "first answer, and goes on.",
        choreography="Payments itself does not know how its charge ended. Its reaction is tried again under the same "
        "key, and its event is published once.",
        difference="The unknown outcome is with the one who asked: the workflow there, payments' own reaction here. "
        "The key makes both harmless: one charge each.",
    ),
    Scene(
        name="down",
        title="Payments is down for three seconds",
        orchestration="The workflow asks payments again and again, with growing pauses. Everything behind it waits.",
        choreography="The event waits for payments, which tries it again with growing pauses. All that does not need "
        "the charge has gone on meanwhile.",
        difference="Neither loses the order: there the retries are in the workflow's history, here in the consumer's "
        "records. Nothing is undone, since nobody said no.",
    ),
    Scene(
        name="kill",
        title="kill -9 of the worker, right after the charge",
        orchestration="The process dies between the charge and its reply. The workflow waits for its attempt to "
        "time out, asks again under the same key, and gets the first answer.",
        choreography="The process dies after the commit. Charge, outbox and inbox were one transaction: what is on "
        "record is on record. The relay publishes it when it is up again.",
        difference="The worker is killed twice, once by each order. Temporal has to wait out an attempt that will "
        "never answer; a consumer begins again where its records end.",
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
