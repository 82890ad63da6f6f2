"""What may pass by itself: a program that runs on tries again."""

from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from kernel.errors import UserError

UNANSWERED = (RPCError, SQLAlchemyError, OSError)  # by a server that is needed
PASSING = (*UNANSWERED, UserError)
