"""FastMCP's client: both eras over HTTP, and the deprecated transport."""

import json
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport

from checks import (
    BENCH,
    TOOLS,
    advanced,
    calibrate,
    client,
    judged,
    pictures_of,
    refused,
    sound_picture,
    stdio,
    text_of,
)


async def the_tools(peer):
    assert [tool.name for tool in await peer.list_tools()] == TOOLS


async def an_error(peer):
    refused(await peer.call_tool_mcp("get_history", {"session": "aaaaaaaa"}))


async def judging(peer):
    told = []

    async def on_progress(progress, total, _message):
        told.append((progress, total))

    given = {"reference": BENCH["reference"], "generated": BENCH["generated"], "images": True}
    result = await peer.call_tool_mcp("judge_pair", given, progress_handler=on_progress)
    judged(result.structured_content)
    [picture] = pictures_of(result)
    sound_picture(picture)
    advanced(told)


async def resources(peer, session):
    [content] = await peer.read_resource(f"calibrator://sessions/{session}")
    assert session in content.text
    assert any(prompt.name == "calibrate" for prompt in await peer.list_prompts())


async def connection(checks, name, transport, mode):
    async with Client(transport, mode=mode) as peer:

        async def value(tool, given):
            result = await peer.call_tool(tool, given)
            assert json.loads(text_of(result)) == result.structured_content
            return result.structured_content

        await checks.check("4 tools", the_tools(peer))
        await checks.check("an error with what to do", an_error(peer))
        await checks.check("judge_pair with progress and a picture", judging(peer))
        session = await checks.check("a calibration", calibrate(value))
        if checks.offered("resources", await peer.list_resources()):
            await checks.check("resources and prompts", resources(peer, session))
    checks.done.append(f"{name} {mode}")


async def main(checks):
    command, arguments = stdio("fastmcp")
    for name, transport, mode in [
        ("http", StreamableHttpTransport(BENCH["http"]), "auto"),
        ("http", StreamableHttpTransport(BENCH["legacy"]), "legacy"),
        ("stdio", StdioTransport(command, arguments, log_file=Path(BENCH["folder"], "stdio.log")), "auto"),
        ("sse", SSETransport(BENCH["sse"]), "legacy"),
    ]:
        await checks.connection(f"{name}, {mode}", connection(checks, name, transport, mode))


if __name__ == "__main__":
    client("FastMCP", "fastmcp", main)
