"""The tools, resources and prompts that the conformance suite wants to find, on a server of ours.

The suite describes each fixture with the scenario that calls it. They are served behind the same
app, guards and endpoint as the registry, so that a scenario which fails here shows what that stack
gets wrong.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.shared.message import ServerMessageMetadata
from starlette.types import ASGIApp

from transports import mcp_http

Context = ServerRequestContext[Any, Any]
Params = types.CallToolRequestParams
Answer = types.CallToolResult | types.InputRequiredResult

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
    "gg=="
)
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="
SECRET = b"a key that only this server knows"


def text(words: str) -> types.TextContent:
    return types.TextContent(type="text", text=words)


def image() -> types.ImageContent:
    return types.ImageContent(type="image", data=PNG, mime_type="image/png")


def embedded(uri: str, words: str, kind: str = "text/plain") -> types.EmbeddedResource:
    contents = types.TextResourceContents(uri=uri, text=words, mime_type=kind)
    return types.EmbeddedResource(type="resource", resource=contents)


def said(*content: Any, wrong: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=list(content), is_error=wrong)


CONTENT: Mapping[str, types.CallToolResult] = {
    "test_simple_text": said(text("This is a simple text response for testing.")),
    "test_error_handling": said(
        text("This tool intentionally returns an error for testing"), wrong=True
    ),
    "test_image_content": said(image()),
    "test_audio_content": said(types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")),
    "test_embedded_resource": said(
        embedded("test://embedded-resource", "This is an embedded resource content.")
    ),
    "test_multiple_content_types": said(
        text("Multiple content types test:"),
        image(),
        embedded(
            "test://mixed-content-resource", '{"test":"data","value":123}', "application/json"
        ),
    ),
}


# Tools of the older era, which ask the client while they run


async def with_logging(context: Context, params: Params) -> Answer:
    for words in ("started", "processing", "completed"):
        with warnings.catch_warnings(action="ignore", category=MCPDeprecationWarning):
            await context.session.send_log_message("info", words, None, context.request_id)
        await asyncio.sleep(0)
    return said(text("logged"))


async def with_progress(context: Context, params: Params) -> Answer:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100)
        await asyncio.sleep(0)
    return said(text("done"))


async def sampling(context: Context, params: Params) -> Answer:
    prompt = (params.arguments or {})["prompt"]
    answer = await context.session.send_request(
        sample(prompt, 100), types.CreateMessageResult, metadata=_related(context)
    )
    return said(text(f"LLM response: {answer.content}"))


def _related(context: Context) -> ServerMessageMetadata:
    return ServerMessageMetadata(related_request_id=context.request_id)


def asking(
    words: str, properties: Mapping[str, Any], required: tuple[str, ...] = ()
) -> Callable[[Context, Params], Awaitable[Answer]]:
    async def tool(context: Context, params: Params) -> Answer:
        message = (params.arguments or {}).get("message", words)
        answer = await context.session.send_request(
            elicit(message, properties, required), types.ElicitResult, metadata=_related(context)
        )
        found = json.dumps(answer.content)
        return said(text(f"{words}: action={answer.action}, content={found}"))

    return tool


def elicit(
    message: str, properties: Mapping[str, Any], required: tuple[str, ...] = ()
) -> types.ElicitRequest:
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    return types.ElicitRequest(
        params=types.ElicitRequestFormParams(message=message, requested_schema=schema)
    )


def sample(words: str, most: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=text(words))
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[message], max_tokens=most)
    )


USER = {
    "username": {"type": "string", "description": "User's response"},
    "email": {"type": "string", "description": "User's email address"},
}
DEFAULTS = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {
        "type": "string",
        "enum": ["active", "inactive", "pending"],
        "default": "active",
    },
    "verified": {"type": "boolean", "default": True},
}
PLAIN = ["option1", "option2", "option3"]
TITLED = [
    {"const": f"value{number}", "title": title}
    for number, title in enumerate(("First Option", "Second Option", "Third Option"), 1)
]
ENUMS = {
    "untitledSingle": {"type": "string", "enum": PLAIN},
    "titledSingle": {"type": "string", "oneOf": TITLED},
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": PLAIN}},
    "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
}


# Tools of the newer era, which answer that they need input


NAME = {"name": {"type": "string"}}


def sealed(state: str) -> str:
    return f"{state}.{hmac.new(SECRET, state.encode(), hashlib.sha256).hexdigest()}"


def opened(token: str | None) -> str:
    """Return a state that `sealed` made. Raises MCPError for any other."""
    state = (token or "").rpartition(".")[0]
    if token is None or not hmac.compare_digest(sealed(state), token):
        raise MCPError(types.INVALID_PARAMS, "requestState is not one of this server's")
    return state


def needing(
    requests: Mapping[str, Any], words: str, state: str | None = None
) -> Callable[[Context, Params], Awaitable[Answer]]:
    """Make a tool that needs the responses to `requests`, and with `state` its state back."""

    async def tool(context: Context, params: Params) -> Answer:
        responses = params.input_responses or {}
        if params.request_state is not None or (state is not None and responses):
            opened(params.request_state)
        if not requests.keys() <= responses.keys():
            return types.InputRequiredResult(
                input_requests=dict(requests),
                request_state=sealed(state) if state is not None else None,
            )
        found = {key: _plain(responses[key]) for key in requests}
        return said(text(f"{words}: {json.dumps(found)}"))

    return tool


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", by_alias=True) if hasattr(value, "model_dump") else value


async def multi_round(context: Context, params: Params) -> Answer:
    step = int(opened(params.request_state)) if params.request_state is not None else 0
    questions = (
        ("step1", "Step 1: What is your name?", {"name": {"type": "string"}}),
        ("step2", "Step 2: What is your favorite color?", {"color": {"type": "string"}}),
    )
    if step == len(questions):
        return said(text("all rounds are done"))
    key, words, properties = questions[step]
    return types.InputRequiredResult(
        input_requests={key: elicit(words, properties, tuple(properties))},
        request_state=sealed(str(step + 1)),
    )


async def by_capabilities(context: Context, params: Params) -> Answer:
    if params.input_responses:
        return said(text("thanks"))
    declared = context.session.client_capabilities
    requests: dict[str, Any] = {}
    if declared and declared.sampling is not None:
        requests["answer"] = sample("What is the capital of France?", 100)
    if declared and declared.elicitation is not None:
        requests["user_name"] = elicit("What is your name?", NAME, ("name",))
    return types.InputRequiredResult(input_requests=requests, request_state=sealed("asked"))


async def missing_capability(context: Context, params: Params) -> Answer:
    declared = context.session.client_capabilities
    if declared is None or declared.sampling is None:
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "this needs a client that samples",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return said(text("the client samples"))


async def streaming(context: Context, params: Params) -> Answer:
    await context.session.report_progress(1, 2)
    return await needing(ASKED_NAME, "Hello")(context, params)


ASKED_NAME = {"user_name": elicit("What is your name?", NAME, ("name",))}
CONFIRM = {"confirm": elicit("Please confirm", {"ok": {"type": "boolean"}}, ("ok",))}
ROOTS = {"client_roots": types.ListRootsRequest()}
TOOLS: Mapping[str, Callable[[Context, Params], Awaitable[Answer]]] = {
    "test_tool_with_logging": with_logging,
    "test_tool_with_progress": with_progress,
    "test_sampling": sampling,
    "test_elicitation": asking("User response", USER, ("username", "email")),
    "test_elicitation_sep1034_defaults": asking("Elicitation completed", DEFAULTS),
    "test_elicitation_sep1330_enums": asking("Elicitation completed", ENUMS),
    "test_input_required_result_elicitation": needing(ASKED_NAME, "Hello"),
    "test_input_required_result_sampling": needing(
        {"capital_question": sample("What is the capital of France?", 100)}, "It is"
    ),
    "test_input_required_result_list_roots": needing(ROOTS, "Roots"),
    "test_input_required_result_request_state": needing(CONFIRM, "state-ok", "asked"),
    "test_input_required_result_tampered_state": needing(CONFIRM, "state-ok", "asked"),
    "test_input_required_result_multiple_inputs": needing(
        {**ASKED_NAME, "greeting": sample("Generate a greeting", 50), **ROOTS}, "All", "asked"
    ),
    "test_input_required_result_multi_round": multi_round,
    "test_input_required_result_capabilities": by_capabilities,
    "test_missing_capability": missing_capability,
    "test_streaming_elicitation": streaming,
    "test_logging_tool": with_logging,
}


# Resources and prompts

TEMPLATE = "test://template/{id}/data"


async def read(context: Context, params: types.ReadResourceRequestParams) -> Any:
    uri = params.uri
    contents: types.TextResourceContents | types.BlobResourceContents
    if uri == "test://static-binary":
        contents = types.BlobResourceContents(uri=uri, blob=PNG, mime_type="image/png")
    elif uri in {"test://static-text", "test://watched-resource"}:
        words = "This is the content of the static text resource."
        contents = types.TextResourceContents(uri=uri, text=words, mime_type="text/plain")
    elif uri.startswith("test://template/") and uri.endswith("/data"):
        one = uri.split("/")[3]
        words = json.dumps({"id": one, "templateTest": True, "data": f"Data for ID: {one}"})
        contents = types.TextResourceContents(uri=uri, text=words, mime_type="application/json")
    else:
        raise MCPError(types.INVALID_PARAMS, "no such resource", {"uri": uri})
    return types.ReadResourceResult(contents=[contents])


def prompted(*content: Any) -> types.GetPromptResult:
    messages = [types.PromptMessage(role="user", content=part) for part in content]
    return types.GetPromptResult(messages=messages)


async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> Any:
    made = ANSWERS.get(params.name)
    if made is None:
        raise MCPError(types.INVALID_PARAMS, "no such prompt")
    return made(params, params.arguments or {})


def with_arguments(params: Any, given: Mapping[str, str]) -> types.GetPromptResult:
    words = f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"
    return prompted(text(words))


def with_resource(params: Any, given: Mapping[str, str]) -> types.GetPromptResult:
    resource = embedded(given["resourceUri"], "Embedded resource content for testing.")
    return prompted(resource, text("Please process the embedded resource above."))


def with_input(params: types.GetPromptRequestParams, given: Mapping[str, str]) -> Any:
    if "user_context" in (params.input_responses or {}):
        return prompted(text(f"With {params.input_responses}"))
    question = elicit(
        "What context should the prompt use?", {"context": {"type": "string"}}, ("context",)
    )
    return types.InputRequiredResult(input_requests={"user_context": question})


ANSWERS: Mapping[str, Callable[[Any, Mapping[str, str]], Any]] = {
    "test_simple_prompt": lambda *_: prompted(text("This is a simple prompt for testing.")),
    "test_prompt_with_arguments": with_arguments,
    "test_prompt_with_embedded_resource": with_resource,
    "test_prompt_with_image": lambda *_: prompted(image(), text("Please analyze the image above.")),
    "test_input_required_result_prompt": with_input,
}
PROMPTS: Mapping[str, tuple[str, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}


async def list_resources(context: Context, params: Any) -> types.ListResourcesResult:
    uris = ("test://static-text", "test://static-binary", "test://watched-resource")
    return types.ListResourcesResult(
        resources=[types.Resource(uri=uri, name=uri.rpartition("/")[2]) for uri in uris]
    )


async def list_templates(context: Context, params: Any) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(name="data", uri_template=TEMPLATE)
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def list_prompts(context: Context, params: Any) -> types.ListPromptsResult:
    listed = [
        types.Prompt(
            name=name,
            description=name,
            arguments=[types.PromptArgument(name=one, required=True) for one in arguments],
        )
        for name, arguments in PROMPTS.items()
    ]
    return types.ListPromptsResult(prompts=listed)


async def complete(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    values = [city for city in ("paris", "park") if city.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=values))


async def empty(context: Context, params: Any) -> types.EmptyResult:
    return types.EmptyResult()


class Tools:
    """The tools, and a bus for those that change a list."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.changes = {
            "test_trigger_tool_change": ToolsListChanged(),
            "test_trigger_prompt_change": PromptsListChanged(),
        }

    async def list(self, context: Context, params: Any) -> types.ListToolsResult:
        schema = {"type": "object", "properties": {}}
        return types.ListToolsResult(
            tools=[
                types.Tool(name=name, description=name, input_schema=schema)
                for name in sorted({*CONTENT, *TOOLS, *self.changes})
            ]
        )

    async def call(self, context: Context, params: Params) -> Answer:
        if params.name in CONTENT:
            return CONTENT[params.name]
        if params.name in self.changes:
            await self.bus.publish(self.changes[params.name])
            return said(text("changed"))
        if params.name in TOOLS:
            return await TOOLS[params.name](context, params)
        raise MCPError(types.INVALID_PARAMS, "no such tool")


def everything() -> Server[Any]:
    """Make the server."""
    tools = Tools()
    server: Server[Any] = Server(
        "everything",
        version="1.0.0",
        on_list_tools=tools.list,
        on_call_tool=tools.call,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read,
        on_subscribe_resource=empty,
        on_unsubscribe_resource=empty,
        on_subscriptions_listen=ListenHandler(tools.bus),
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
    )
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, empty)
    return server


@asynccontextmanager
async def endpoint() -> AsyncIterator[ASGIApp]:
    """Open the server as the app opens the registry's."""
    async with mcp_http.endpoint(everything()) as app:
        yield app
