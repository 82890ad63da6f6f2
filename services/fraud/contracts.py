"""The fraud service's commands, replies, refusals and port."""

from enum import StrEnum
from typing import ClassVar, Protocol

from pydantic_settings import SettingsConfigDict

from kernel.contracts import Command, Contract
from kernel.environment import EnvironmentSettings
from kernel.errors import Refusal
from kernel.money import Money


class Verdict(StrEnum):
    CLEAR = "clear"
    POSSIBLE = "possible"


class Decision(StrEnum):
    """A person's decision on a possible fraud."""

    APPROVE = "approve"
    DECLINE = "decline"


DECLINED_IN_REVIEW = "FraudConfirmed: declined in review"


class FraudLimits(EnvironmentSettings):
    """The rules' limits and scores. Each rule that applies adds its score; amounts are in minor units.

    From `possible_score` on, an order is held for a person's decision; from `confirmed_score` on, it is refused.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="FRAUD__", frozen=True)

    large_amount: int = 100_000
    huge_amount: int = 1_000_000
    orders_an_hour: int = 100
    large_amount_score: int = 50
    huge_amount_score: int = 100
    velocity_score: int = 50
    new_country_score: int = 30
    possible_score: int = 50
    confirmed_score: int = 100


class ScreenOrder(Command):
    customer_id: str
    amount: Money
    country: str

    def in_words(self) -> str:
        return f"{self.amount}, to {self.country}"


class Screened(Contract):
    """The verdict, with its score and the rules that applied."""

    verdict: Verdict
    score: int
    rules: tuple[str, ...]


class DecideOnFraud(Command):
    """A person's decision, or the deadline's, on an order held as a possible fraud."""

    not_compared: ClassVar[frozenset[str]] = frozenset({"actor"})

    decision: Decision
    note: str
    actor: str = ""

    def in_words(self) -> str:
        return f"{self.decision}: {self.note}" if self.note else self.decision


class FraudDecided(Contract):
    decision: Decision


class TakenForFraud(Refusal, name="FraudConfirmed"):
    """The order is considered a fraud."""


class FraudPort(Protocol):
    def screen(self, command: ScreenOrder) -> Screened: ...
    def decide(self, command: DecideOnFraud) -> FraudDecided: ...
