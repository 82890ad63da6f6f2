"""Errors that may be transient: a long-running program retries."""

from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from kernel.errors import UserError

UNANSWERED = (RPCError, SQLAlchemyError, OSError)  # a server that is needed did not answer
PASSING = (*UNANSWERED, UserError)
