"""The output of the scripted models behind the gateway, as in test/clients/weather-model.ts."""

import json
import math
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

TEXT = "Hello from the model."
TOOL_TEXT = "It is 21 degrees in Paris."
CITY = "Paris"
QUESTION = "How warm is it in Paris?"

Run = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Settings:
    url: str
    key: str
    models: dict[str, str]
    embedding_model: str

    @staticmethod
    def from_environment() -> "Settings":
        values = json.loads(os.environ["WEIR_CLIENT_SETTINGS"])
        return Settings(values["url"], values["key"], values["models"], values["embeddingModel"])


@dataclass(frozen=True)
class Check:
    client: str
    format: str
    check: str
    run: Run


def expect_equal(actual: object, expected: object, what: str) -> None:
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r} instead of {expected!r}")


def expect_vectors(vectors: list[list[float]]) -> None:
    expect_equal(len(vectors), 2, "vectors")
    first, second = vectors
    if not first or not all(math.isfinite(number) for number in [*first, *second]):
        raise AssertionError("a vector has no numbers")
    if first == second:
        raise AssertionError("both texts have the same vector")


def for_each_format(
    settings: Settings, client: str, checks_of: Callable[[str], dict[str, Run]]
) -> Iterator[Check]:
    for name, model in settings.models.items():
        for check, run in checks_of(model).items():
            yield Check(client, name, check, run)
