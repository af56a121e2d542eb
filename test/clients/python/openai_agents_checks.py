from collections.abc import Iterator

from agents import (
    Agent,
    Model,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from pydantic import BaseModel

from check import CITY, QUESTION, TEXT, TOOL_TEXT, Check, Run, Settings, expect_equal, for_each_format


class Weather(BaseModel):
    city: str
    degrees: float


@function_tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"21 degrees in {city}"


def agent_checks(model: Model) -> dict[str, Run]:
    async def text() -> None:
        result = await Runner.run(Agent(name="Helper", model=model), QUESTION)
        expect_equal(result.final_output, TEXT, "text")

    async def streaming() -> None:
        result = Runner.run_streamed(Agent(name="Helper", model=model), QUESTION)
        parts: list[str] = []
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                parts.append(event.data.delta)
        expect_equal("".join(parts), TEXT, "text")

    async def tools() -> None:
        result = await Runner.run(Agent(name="Helper", model=model, tools=[weather]), QUESTION)
        expect_equal(result.final_output, TOOL_TEXT, "text")

    async def streamed_tools() -> None:
        result = Runner.run_streamed(Agent(name="Helper", model=model, tools=[weather]), QUESTION)
        async for _ in result.stream_events():
            pass
        expect_equal(result.final_output, TOOL_TEXT, "text")

    async def structured() -> None:
        result = await Runner.run(Agent(name="Helper", model=model, output_type=Weather), QUESTION)
        expect_equal(result.final_output, Weather(city=CITY, degrees=21), "object")

    return {
        "text": text,
        "streaming": streaming,
        "tools": tools,
        "streamed tools": streamed_tools,
        "structured output": structured,
    }


def checks(settings: Settings) -> Iterator[Check]:
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=f"{settings.url}/v1", api_key=settings.key, max_retries=0)
    yield from for_each_format(
        settings,
        "openai-agents Python (responses)",
        lambda model: agent_checks(OpenAIResponsesModel(model, client)),
    )
    yield from for_each_format(
        settings,
        "openai-agents Python (chat)",
        lambda model: agent_checks(OpenAIChatCompletionsModel(model, client)),
    )
