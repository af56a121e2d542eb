from collections.abc import Iterator

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, Embedder, NativeOutput
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from check import (
    CITY,
    QUESTION,
    TEXT,
    TOOL_TEXT,
    Check,
    Run,
    Settings,
    expect_equal,
    expect_vectors,
    for_each_format,
)


class Weather(BaseModel):
    city: str
    degrees: float


def chat_checks(model: Model) -> dict[str, Run]:
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"21 degrees in {city}"

    async def text() -> None:
        result = await Agent(model).run(QUESTION)
        expect_equal(result.output, TEXT, "text")
        expect_equal(result.usage.output_tokens, 8, "output tokens")

    async def streaming() -> None:
        parts: list[str] = []
        async with Agent(model).run_stream(QUESTION) as result:
            async for part in result.stream_text(delta=True):
                parts.append(part)
        expect_equal("".join(parts), TEXT, "text")

    async def tools() -> None:
        result = await Agent(model, tools=[weather]).run(QUESTION)
        expect_equal(result.output, TOOL_TEXT, "text")

    async def streamed_tools() -> None:
        async with Agent(model, tools=[weather]).run_stream(QUESTION) as result:
            expect_equal(await result.get_output(), TOOL_TEXT, "text")

    async def structured() -> None:
        result = await Agent(model, output_type=Weather).run(QUESTION)
        expect_equal(result.output, Weather(city=CITY, degrees=21), "object")

    async def native() -> None:
        result = await Agent(model, output_type=NativeOutput(Weather)).run(QUESTION)
        expect_equal(result.output, Weather(city=CITY, degrees=21), "object")

    # The library knows by the model's name whether a model of Anthropic's API takes schemas.
    by_schema = {} if isinstance(model, AnthropicModel) else {"native structured output": native}
    return {
        "text": text,
        "streaming": streaming,
        "tools": tools,
        "streamed tools": streamed_tools,
        "structured output": structured,
        **by_schema,
    }


def checks(settings: Settings) -> Iterator[Check]:
    openai = OpenAIProvider(
        openai_client=AsyncOpenAI(base_url=f"{settings.url}/v1", api_key=settings.key, max_retries=0)
    )
    anthropic = AnthropicProvider(
        anthropic_client=AsyncAnthropic(base_url=settings.url, api_key=settings.key, max_retries=0)
    )
    yield from for_each_format(
        settings, "pydantic-ai OpenAI (chat)", lambda model: chat_checks(OpenAIChatModel(model, provider=openai))
    )
    yield from for_each_format(
        settings,
        "pydantic-ai OpenAI (responses)",
        lambda model: chat_checks(OpenAIResponsesModel(model, provider=openai)),
    )
    yield from for_each_format(
        settings, "pydantic-ai Anthropic", lambda model: chat_checks(AnthropicModel(model, provider=anthropic))
    )

    async def embeddings() -> None:
        model = OpenAIEmbeddingModel(settings.embedding_model, provider=openai)
        result = await Embedder(model).embed_documents(["one", "another"])
        expect_vectors([list(vector) for vector in result.embeddings])

    yield Check("pydantic-ai OpenAI", "openai", "embeddings", embeddings)
