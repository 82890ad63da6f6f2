import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from kernel.environment import one_line


class Limits(BaseModel):
    seconds: float
    orders: int


def refused_limits(**values: object) -> Exception:
    with pytest.raises(ValidationError) as refused:
        Limits.model_validate(values)
    return refused.value


def refused_statement() -> Exception:
    engine = create_engine("sqlite://")
    with pytest.raises(OperationalError) as refused, engine.connect() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    engine.dispose()
    return refused.value


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (refused_limits(seconds="x", orders=1), "seconds: must be a number"),
        (refused_limits(), "seconds: it is missing (and 1 more)"),
        (refused_statement(), "no such table: nowhere"),
        (ValueError("the first line\n  and the second"), "the first line and the second"),
        (ValueError(), "ValueError"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_an_error_is_one_line_for_who_has_to_mend_it(error: Exception, line: str) -> None:
    assert one_line(error).startswith(line)
    assert "\n" not in one_line(error)
