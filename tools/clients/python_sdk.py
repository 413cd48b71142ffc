"""The Python SDK: both eras, on all three transports."""

import asyncio
import contextlib
import json
import warnings

import mcp_types as types
from mcp import Client, MCPDeprecationWarning, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client

from checks import (
    BENCH,
    MOMENT,
    PAGE,
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
    within,
)

MODERN = "2026-07-28"
# The older era is checked on purpose.
warnings.simplefilter("ignore", MCPDeprecationWarning)


class Peer:
    """A connected client, and what it was asked, told and sent."""

    def __init__(self, elicits):
        self.elicits, self.asked, self.updated = elicits, [], asyncio.Event()

    async def on_elicit(self, _context, params):
        self.asked.append(params)
        name = next(iter(params.requested_schema["properties"]))
        return types.ElicitResult(action="accept", content={name: "9.value"})

    async def on_message(self, message):
        if isinstance(message, types.ResourceUpdatedNotification):
            self.updated.set()

    def open(self, server, mode):
        return Client(
            server,
            mode=mode,
            elicitation_callback=self.on_elicit if self.elicits else None,
            message_handler=self.on_message,
        )

    async def value(self, tool, given, **options):
        """A call that has to succeed; gives its structured content."""
        result = await self.client.call_tool(tool, given, **options)
        assert not result.is_error, text_of(result)
        assert json.loads(text_of(result)) == result.structured_content
        return result.structured_content


async def the_tools(peer):
    tools = (await peer.client.list_tools()).tools
    assert [tool.name for tool in tools] == TOOLS
    assert all(tool.title and tool.description and tool.output_schema for tool in tools)
    assert peer.client.instructions == BENCH["instructions"].rstrip("\n")


async def an_error(peer):
    refused(await peer.client.call_tool("get_history", {"session": "aaaaaaaa"}))


async def judging(peer):
    told = []

    async def on_progress(progress, total, _message):
        told.append((progress, total))

    given = {"reference": BENCH["reference"], "generated": BENCH["generated"], "images": True}
    result = await peer.client.call_tool("judge_pair", given, progress_callback=on_progress)
    assert not result.is_error, text_of(result)
    judged(result.structured_content)
    [picture] = pictures_of(result)
    sound_picture(picture)
    advanced(told)


async def cancelling(peer, session):
    """A run that does not end by itself is cancelled: ComfyUI is free for the next."""
    sampling = asyncio.Event()

    async def on_progress(_progress, _total, message):
        if message and "10000" in message:
            sampling.set()

    given = {"session": session, "positive": "a blue square", "knobs": {"steps": 10_000}, "seeds": [9], "wait_s": 600}
    endless = asyncio.create_task(peer.client.call_tool("queue_generation", given, progress_callback=on_progress))
    await within("progress of the sampler", sampling.wait())
    endless.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await within("the end of the cancelled call", endless)
    # Behind the endless run it would wait for minutes.
    given = {"session": session, "positive": "a red star", "knobs": {"steps": 2}, "seeds": [9]}
    following = await peer.value("queue_generation", given)
    assert (following["state"], following["iteration"]) == ("done", 4), following["summary"]

    async def recorded():
        while (await peer.value("get_history", {"session": session}))["iterations"][2]["state"] != "cancelled":
            pass

    await within("the end of the cancelled run in the history", recorded(), MOMENT)


async def question(peer, checks):
    """A workflow whose prompt has two places: asked of the user where the client can, else of the agent."""
    given = {"workflow": BENCH["two_texts"], "positive": "a blue square"}
    answer = await peer.value("inject_prompt", given)
    if peer.elicits and checks.offered("elicitation", peer.asked):
        assert [change["place"] for change in answer["changes"]] == ["9.value"], answer
        return
    assert list(answer["question"]["candidates"]) == ["8.value", "9.value"]
    answered = await peer.value("inject_prompt", {**given, "place": {"positive": "9.value"}})
    assert answered["changes"][0]["place"] == "9.value"


async def resources(peer, session):
    listed = {resource.uri for resource in (await peer.client.list_resources()).resources}
    assert PAGE in listed, listed
    templates = {template.uri_template for template in (await peer.client.list_resource_templates()).resource_templates}
    assert {"calibrator://sessions/{session}", "calibrator://rubrics/{rubric}"} <= templates, templates
    for uri, told in [
        (f"calibrator://sessions/{session}", session),
        ("calibrator://rubrics/default", "[[axis]]"),
        (PAGE, "<html"),
    ]:
        [content] = (await peer.client.read_resource(uri)).contents
        assert content.uri == uri and told in content.text, uri


async def subscription(peer, session):
    uri = f"calibrator://sessions/{session}"
    change = {"session": session, "positive": "a green moon", "note": "to be told of"}
    if peer.client.protocol_version == MODERN:
        async with peer.client.listen(resource_subscriptions=[uri]) as events:
            assert events.honored.resource_subscriptions == [uri]
            await peer.value("inject_prompt", change)
            told = await within(f"an update of {uri}", anext(events))
            assert told.uri == uri, told
        return
    peer.updated.clear()
    await peer.client.subscribe_resource(uri)
    await peer.value("inject_prompt", change)
    await within(f"an update of {uri}", peer.updated.wait())
    await peer.client.unsubscribe_resource(uri)


async def prompts(peer):
    [prompt] = [prompt for prompt in (await peer.client.list_prompts()).prompts if prompt.name == "calibrate"]
    assert sorted(argument.name for argument in prompt.arguments) == ["reference", "target_score", "workflow"]
    given = {"reference": BENCH["reference"], "workflow": BENCH["workflow"], "target_score": "0.9"}
    made = await peer.client.get_prompt("calibrate", given)
    text = "\n".join(message.content.text for message in made.messages if message.content.type == "text")
    assert all(word in text for word in given.values()), text


async def completions(peer, session):
    template = types.ResourceTemplateReference(type="ref/resource", uri="calibrator://sessions/{session}")
    found = await peer.client.complete(template, {"name": "session", "value": session[:3]})
    assert session in found.completion.values, found


async def connection(checks, name, server, mode, elicits):
    peer = Peer(elicits)
    async with peer.open(server, mode) as peer.client:
        modern = peer.client.protocol_version == MODERN
        assert modern == (mode == "auto"), peer.client.protocol_version
        await checks.check("4 tools and the instructions", the_tools(peer))
        await checks.check("an error with what to do", an_error(peer))
        await checks.check("judge_pair with progress and a picture", judging(peer))
        session = await checks.check("a calibration", calibrate(peer.value))
        await checks.check("a cancelled call", cancelling(peer, session))
        await checks.check("a question", question(peer, checks))
        has = peer.client.server_capabilities
        if checks.offered("resources", has.resources):
            await checks.check("resources", resources(peer, session))
        if checks.offered("subscriptions", has.resources and has.resources.subscribe):
            await checks.check("a subscription", subscription(peer, session))
        if checks.offered("prompts", has.prompts):
            await checks.check("the prompt calibrate", prompts(peer))
        if checks.offered("completions", has.completions):
            await checks.check("completions", completions(peer, session))
        if checks.offered("logging", has.logging) and not modern:
            await checks.check("logging", peer.client.set_logging_level("debug"))
    checks.done.append(f"{name} {'modern' if modern else 'legacy'}")


async def main(checks):
    def child(name):
        command, arguments = stdio(name)
        # What the server logs is not this script's output.
        log = open(f"{BENCH['folder']}/{name}.log", "w")  # noqa: SIM115
        return stdio_client(StdioServerParameters(command=command, args=arguments), errlog=log)

    for name, server, mode, elicits in [
        ("http", BENCH["http"], "auto", True),
        ("http", BENCH["legacy"], "legacy", True),
        ("stdio", child("auto"), "auto", False),
        ("stdio", child("legacy"), "legacy", False),
        ("sse", sse_client(BENCH["sse"]), "legacy", False),
    ]:
        await checks.connection(f"{name}, {mode}", connection(checks, name, server, mode, elicits))


if __name__ == "__main__":
    client("Python SDK", "mcp", main)
