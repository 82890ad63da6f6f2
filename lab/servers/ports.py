"""Free ports of this machine."""

import random
import socket
from contextlib import ExitStack, suppress

# Below the ports that systems give to outgoing connections, one of which could take a port before its server does.
_RANGE = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """`count` different free ports; each is held until all are found."""
    with ExitStack() as held:
        found = list[int]()
        for port in random.SystemRandom().sample(_RANGE, len(_RANGE)):
            one = held.enter_context(socket.socket())
            with suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                break
        return found
