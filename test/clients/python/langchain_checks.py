from collections.abc import Iterator

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

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
    """The weather of a city."""

    city: str
    degrees: float


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"21 degrees in {city}"


def chat_checks(model: BaseChatModel) -> dict[str, Run]:
    async def text() -> None:
        message = await model.ainvoke(QUESTION)
        expect_equal(message.text, TEXT, "text")
        expect_equal(message.usage_metadata["output_tokens"], 8, "output tokens")

    async def streaming() -> None:
        parts = [chunk.text async for chunk in model.astream(QUESTION)]
        expect_equal("".join(parts), TEXT, "text")

    async def tools() -> None:
        with_tools = model.bind_tools([weather])
        messages = [HumanMessage(QUESTION)]
        first = await with_tools.ainvoke(messages)
        expect_equal([(call["name"], call["args"]) for call in first.tool_calls], [("weather", {"city": CITY})], "calls")
        results = [await weather.ainvoke(call) for call in first.tool_calls]
        last = await with_tools.ainvoke([*messages, first, *results])
        expect_equal(last.text, TOOL_TEXT, "text")

    async def structured() -> None:
        result = await model.with_structured_output(Weather).ainvoke(QUESTION)
        expect_equal(result, Weather(city=CITY, degrees=21), "object")

    return {"text": text, "streaming": streaming, "tools": tools, "structured output": structured}


def checks(settings: Settings) -> Iterator[Check]:
    openai = {"base_url": f"{settings.url}/v1", "api_key": settings.key, "max_retries": 0}
    anthropic = {"base_url": settings.url, "api_key": settings.key, "max_retries": 0}
    yield from for_each_format(
        settings, "LangChain Python ChatOpenAI", lambda model: chat_checks(ChatOpenAI(model=model, **openai))
    )
    yield from for_each_format(
        settings,
        "LangChain Python ChatOpenAI (responses)",
        lambda model: chat_checks(ChatOpenAI(model=model, use_responses_api=True, **openai)),
    )
    yield from for_each_format(
        settings,
        "LangChain Python ChatAnthropic",
        lambda model: chat_checks(ChatAnthropic(model=model, **anthropic)),
    )

    async def embeddings() -> None:
        # Its token counter would download a vocabulary.
        model = OpenAIEmbeddings(model=settings.embedding_model, check_embedding_ctx_length=False, **openai)
        expect_vectors(await model.aembed_documents(["one", "another"]))

    yield Check("LangChain Python OpenAIEmbeddings", "openai", "embeddings", embeddings)
