"""The parts of the system that can be run alone."""

from services import SERVICES
from wiring.bus_roles import ON_THE_BUS
from workflows.contracts import TASK_QUEUE

SAGA = TASK_QUEUE
HOSTS = tuple(service.name for service in SERVICES)  # each is its service's task queue, too
ON_TEMPORAL = (SAGA, *HOSTS)
WEB = "web"
# What works on orders: a worker runs all of it, unless it is told otherwise.
AT_WORK = (
    *ON_TEMPORAL,
    *ON_THE_BUS,
)
ROLES = (
    *AT_WORK,
    WEB,
)
