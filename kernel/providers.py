"""Asking a company outside: what it says besides its answer is its own, and may be about a person."""

from collections.abc import Iterator
from contextlib import contextmanager

from kernel.errors import Outage, ServiceError


@contextmanager
def asking(whom: str, *answers: type[Exception]) -> Iterator[None]:
    """Let through what the port says that it raises. Anything else is an Outage that names its kind, not its text.

    An adapter that knows what an operator should read raises an Outage with its own words.
    """
    try:
        yield
    except ServiceError:
        raise
    except answers:
        raise
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything, and the outcome is unknown
        raise Outage(f"{whom} failed: {type(error).__name__}").with_traceback(error.__traceback__) from None
