"""The parts of the system that can be run alone."""

from services import SERVICES
from wiring.bus_roles import ON_THE_BUS
from workflows.contracts import TASK_QUEUE

SAGA = TASK_QUEUE
HOSTS = tuple(service.name for service in SERVICES)  # each is its service's task queue, too
ON_TEMPORAL = (SAGA, *HOSTS)
OPERATIONS = "operations"  # looks at the whole shop; it is on Temporal and on the bus
ROLES = (
    *ON_TEMPORAL,
    *ON_THE_BUS,
    OPERATIONS,
)
