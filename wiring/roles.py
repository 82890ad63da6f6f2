"""The parts of the system that can be run alone."""

from services import SERVICES
from wiring.bus_roles import ON_THE_BUS
from workflows.contracts import TASK_QUEUE

SAGA = TASK_QUEUE
HOSTS = tuple(service.name for service in SERVICES)  # each is its service's task queue, too
ON_TEMPORAL = (SAGA, *HOSTS)
WEB = "web"
OPERATIONS = "operations"  # looks at the whole shop, and works on no order
# The roles that work on orders.
AT_WORK = (
    *ON_TEMPORAL,
    *ON_THE_BUS,
)
# The roles that a worker runs by default.
BY_DEFAULT = (
    *AT_WORK,
    OPERATIONS,
)
ROLES = (
    *BY_DEFAULT,
    WEB,
)
