"""Runs the checks of all Python clients; prints one JSON object for each to stdout."""

import asyncio
import json
import traceback
from itertools import chain

import langchain_checks
import openai_agents_checks
import pydantic_ai_checks
from check import Check, Settings


async def run(check: Check) -> None:
    result = {"client": check.client, "format": check.format, "check": check.check}
    try:
        await check.run()
    except Exception:
        result["reason"] = traceback.format_exc(limit=-3)
    print(json.dumps(result), flush=True)


async def main() -> None:
    settings = Settings.from_environment()
    modules = (pydantic_ai_checks, openai_agents_checks, langchain_checks)
    for check in chain.from_iterable(module.checks(settings) for module in modules):
        await run(check)


asyncio.run(main())
