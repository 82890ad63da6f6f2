"""What the fraud service is asked and what it answers."""

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
    """What a person decides on a possible fraud."""

    APPROVE = "approve"
    DECLINE = "decline"


DECLINED_IN_REVIEW = "FraudConfirmed: declined in review"


class FraudLimits(EnvironmentSettings):
    """When an order looks wrong. Each rule that applies adds its score; amounts are in minor units.

    A score of `possible_score` or more is for a person to judge; `confirmed_score` or more is refused.
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
    """The verdict, the score behind it and the rules that made the score."""

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
    """The order is taken for a fraud."""


class FraudPort(Protocol):
    def screen(self, command: ScreenOrder) -> Screened: ...
    def decide(self, command: DecideOnFraud) -> FraudDecided: ...
