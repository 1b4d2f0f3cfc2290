"""The MCP server, driven by the SDK's own client in memory, in both eras of the protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
import jsonschema
import pytest
from bench import Machine
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, Tool

from ctxmcp import __version__, keyfiles
from ctxmcp.server import ERROR, INSTRUCTIONS, build_server
from registry_core.errors import Unavailable
from registry_core.operation import Model
from registry_core.operations import CATALOG

pytestmark = pytest.mark.parametrize("mode", ["auto", "legacy"])

MAIN = [name for name, operation in CATALOG.items() if operation.toolset == "main"]
REVIEW = {"SKILL.md": "---\nname: review\ndescription: Reviews.\n---\n# Review\n", "a/b.md": "b"}


def text_of(result: CallToolResult) -> str:
    [block] = result.content
    assert block.type == "text"
    return block.text


def compact(tools: list[Tool], *only: str) -> str:
    dumped = [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools]
    shown = [{key: tool[key] for key in only or tool} for tool in dumped]
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


class Desk:
    """A desk that does what a test says."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.started = anyio.Event()
        self.cancelled = anyio.Event()

    async def invoke(
        self, name: str, arguments: Mapping[str, Any], *, progress: Any = None
    ) -> Model:
        if self.error:
            raise self.error
        self.started.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.cancelled.set()
        raise AssertionError


async def test_it_says_what_it_is_and_how_to_use_it(mode: str) -> None:
    async with Client(build_server(Desk()), mode=mode) as client:
        assert client.server_info
        assert (client.server_info.name, client.server_info.version) == ("ctxmcp", __version__)
        assert client.instructions == INSTRUCTIONS
        assert client.server_capabilities.completions is not None
    assert len(INSTRUCTIONS) <= 600


async def test_the_tools_are_the_main_operations_of_the_catalog(mode: str) -> None:
    async with Client(build_server(Desk()), mode=mode) as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == MAIN
    for tool in tools:
        operation = CATALOG[tool.name]
        assert (tool.title, tool.description) == (operation.title, operation.doc)
        assert tool.input_schema == operation.input_schema("local")
        assert tool.output_schema
        assert tool.annotations
        assert tool.annotations.read_only_hint is not operation.writes
        if operation.writes:
            assert tool.annotations.destructive_hint is operation.destructive


async def test_another_toolset_brings_the_rest_of_the_catalog(mode: str) -> None:
    server = build_server(Desk(), toolsets={"main", "more", "team"})
    async with Client(server, mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == list(CATALOG)
    assert tools["yank"].annotations
    assert tools["yank"].annotations.destructive_hint is True
    assert tools["download"].annotations
    assert tools["download"].annotations.read_only_hint is False, "it writes a file"


async def test_what_a_model_is_shown_keeps_the_budget(mode: str) -> None:
    """A token is counted as four characters; o200k counts a little less for these texts."""
    async with Client(build_server(Desk()), mode=mode) as client:
        tools = (await client.list_tools()).tools
    assert len(compact(tools, "name", "description", "inputSchema")) / 4 < 660
    assert len(compact(tools)) / 4 < 1450


async def test_every_schema_is_one(mode: str) -> None:
    async with Client(build_server(Desk(), toolsets={"main", "more", "team"}), mode=mode) as client:
        for tool in (await client.list_tools()).tools:
            for schema in (tool.input_schema, tool.output_schema):
                assert schema
                jsonschema.Draft202012Validator.check_schema(schema)
                assert schema["type"] == "object"


async def test_both_halves_of_a_search_have_the_same_facts(here: Machine, mode: str) -> None:
    await here.publish("@acme/review", description="Reviews pull requests.", tags=["git"])
    other = {"SKILL.md": "---\nname: other\ndescription: Something else.\n---\n"}
    await here.publish("@acme/other", description="Something else.", files=other)
    async with Client(build_server(here.desk), mode=mode) as client:
        result = await client.call_tool("search", {"query": "review"})
    [hit] = result.structured_content["hits"]
    jsonschema.validate(result.structured_content, CATALOG["search"].output_schema())
    assert hit["ref"] == "@acme/review@1.0.0"
    assert "Reviews pull requests." in hit["what"]
    text = text_of(result)
    assert text.startswith("1 of 1 packages, best first\n<package-data id=")
    assert f"@acme/review@1.0.0 (skill, signed; matched {', '.join(hit['why'])})" in text
    assert "Reviews pull requests." in text


async def test_an_agent_does_the_whole_job_through_tools(here: Machine, mode: str) -> None:
    keyfiles.create(here.settings.key_file)
    source = here.project / "src"
    (source / "review").mkdir(parents=True)
    (source / "review/SKILL.md").write_text(REVIEW["SKILL.md"])
    steps: list[tuple[str, dict[str, Any]]] = [
        ("publish", {"path": "src/review", "name": "@acme/review", "version": "1.0.0"}),
        ("search", {"query": "reviews"}),
        ("inspect", {"ref": "@acme/review"}),
        ("trust", {"ref": "@acme/review@1.0.0", "detail": "full"}),
        ("install", {"refs": ["@acme/review@1.0.0"]}),
        ("verify", {}),
    ]
    async with Client(build_server(here.desk), mode=mode) as client:
        for name, arguments in steps:
            result = await client.call_tool(name, arguments)
            assert not result.is_error, text_of(result)
            jsonschema.validate(result.structured_content, CATALOG[name].output_schema())
    assert here.text(".agents/skills/review/SKILL.md") == REVIEW["SKILL.md"]


async def test_progress_of_an_installation_is_told(here: Machine, mode: str) -> None:
    await here.publish("@acme/base")
    await here.publish("@acme/review", needs={"@acme/base": "^1.0"})
    told: list[tuple[float, float | None, str | None]] = []

    async def tell(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total, message))

    async with Client(build_server(here.desk), mode=mode) as client:
        await client.call_tool("install", {"refs": ["@acme/review"]}, progress_callback=tell)
        with anyio.fail_after(30):
            while len(told) < 2:
                await anyio.lowlevel.checkpoint()
    assert [(done, total) for done, total, _ in told] == [(1, 2), (2, 2)]
    assert {message for _, _, message in told} == {"@acme/base@1.0.0", "@acme/review@1.0.0"}


@pytest.mark.parametrize(
    ("name", "arguments", "code", "words"),
    [
        ("inspect", {"ref": "@acme/nothing"}, "not_found", "@acme/nothing"),
        ("inspect", {}, "invalid", "ref: Field required"),
        ("inspect", {"ref": "@acme/review", "pth": "x"}, "invalid", "pth"),
        ("search", {"limit": 500}, "invalid", "limit"),
        ("publish", {"artifact": "eA=="}, "invalid", "artifact"),
        ("publish", {}, "invalid", "Name a file or folder."),
        ("dance", {}, "not_found", "There are search, inspect, install, verify, publish, trust."),
        ("yank", {"ref": "@acme/review@1.0.0", "reason": "x"}, "not_found", "no tool"),
        ("verify", {"target": "nowhere.ctxpkg"}, "not_found", "no file nowhere.ctxpkg"),
    ],
)
async def test_what_goes_wrong_is_a_result_an_agent_can_act_on(
    here: Machine, mode: str, name: str, arguments: dict[str, Any], code: str, words: str
) -> None:
    await here.publish("@acme/review")
    async with Client(build_server(here.desk), mode=mode) as client:
        result = await client.call_tool(name, arguments)
    assert result.is_error
    assert result.structured_content is None
    assert words in text_of(result)
    assert "pydantic" not in text_of(result)
    assert result.meta
    assert result.meta[ERROR]["code"] == code


async def test_an_unexpected_error_is_logged_and_not_shown(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(RuntimeError("the password is swordfish"))
    async with Client(build_server(desk), mode=mode) as client:
        result = await client.call_tool("search", {})
        with pytest.raises(MCPError) as raised:
            await client.read_resource("ctx://acme/review")
    assert result.is_error
    assert "swordfish" not in text_of(result) + str(raised.value)
    assert raised.value.code == INTERNAL_ERROR
    assert "swordfish" in caplog.text


async def test_a_cancelled_call_ends_the_operation(mode: str) -> None:
    desk = Desk()
    async with (
        Client(build_server(desk), mode=mode) as client,
        anyio.create_task_group() as calls,
    ):

        async def call() -> None:
            with suppress(MCPError):
                await client.call_tool("search", {})

        calls.start_soon(call)
        await desk.started.wait()
        calls.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await desk.cancelled.wait()


async def test_no_package_is_a_concrete_resource(here: Machine, mode: str) -> None:
    await here.publish("@acme/review")
    async with Client(build_server(here.desk), mode=mode) as client:
        assert (await client.list_resources()).resources == []
        templates = (await client.list_resource_templates()).resource_templates
    assert [template.uri_template for template in templates] == [
        "ctx://{ns}/{name}",
        "ctx://{ns}/{name}@{version}/{+path}",
        "skill://{ns}/{name}/{+path}",
    ]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("ctx://acme/review", "@acme/review@2.0.0: skill"),
        ("ctx://acme/review@1.0.0", "@acme/review@1.0.0: skill"),
        ("ctx://acme/review@%5E1.0", "@acme/review@1.0.0: skill"),
        ("ctx://acme/review@1.0.0/README", "# Review"),
        ("ctx://acme/review@2.0.0/SKILL.md", "# Review"),
        ("ctx://acme/review@1.0.0/a/b.md", "\nb\n</package-data"),
    ],
)
async def test_a_package_is_read_as_a_resource(
    here: Machine, mode: str, uri: str, words: str
) -> None:
    await here.publish("@acme/review", files=REVIEW)
    await here.publish("@acme/review", "2.0.0", files=REVIEW)
    async with Client(build_server(here.desk), mode=mode) as client:
        [contents] = (await client.read_resource(uri)).contents
    assert contents.uri == uri
    assert words in contents.text
    assert '<package-data ref="@acme/review@' in contents.text


@pytest.mark.parametrize(
    "uri",
    [
        "ctx://acme/nothing",
        "ctx://acme/review@9.9.9",
        "ctx://acme/review@1.0.0/nothing.md",
        "ctx://acme/review@1.0.0/picture.png",
        "ctx://acme/review@1.0.0/../../etc/passwd",
        "ctx://ACME!/review",
        "ctx://acme",
        "file:///etc/passwd",
    ],
)
async def test_a_resource_that_is_not_there_is_an_error_that_names_it(
    here: Machine, mode: str, uri: str
) -> None:
    await here.publish("@acme/review", files=REVIEW | {"picture.png": b"\x89PNG\xff\x00"})
    async with Client(build_server(here.desk), mode=mode) as client:
        with pytest.raises(MCPError) as raised:
            await client.read_resource(uri)
    assert raised.value.code == INVALID_PARAMS
    assert raised.value.data == {"uri": uri}


async def test_a_long_file_is_read_in_pages_up_to_a_limit(here: Machine, mode: str) -> None:
    whole = "".join(f"{n:07}\n" for n in range(30_000))
    await here.publish("@acme/long", files=REVIEW | {"long.md": whole, "short.md": whole[:120_000]})
    async with Client(build_server(here.desk), mode=mode) as client:
        [long] = (await client.read_resource("ctx://acme/long@1.0.0/long.md")).contents
        [short] = (await client.read_resource("ctx://acme/long@1.0.0/short.md")).contents
    assert f"\n{whole[:200_000]}</package-data" in long.text
    assert long.text.endswith("200000 of 240000 characters; read on with inspect, offset=200000")
    assert f"\n{whole[:120_000]}</package-data" in short.text


@pytest.mark.parametrize(
    ("argument", "typed", "known", "values"),
    [
        ("ns", "a", {}, ["acme", "apex"]),
        ("ns", "ap", {}, ["apex"]),
        ("ns", "zzz", {}, []),
        ("name", "re", {"ns": "acme"}, ["review"]),
        ("name", "", {"ns": "acme"}, ["review", "write"]),
        ("name", "re", {}, []),
        ("version", "1", {"ns": "acme", "name": "review"}, ["1.1.0", "1.0.0"]),
        ("version", "", {"ns": "acme", "name": "nothing"}, []),
        ("path", "", {"ns": "acme", "name": "write", "version": "1.0.0"}, ["README", "SKILL.md"]),
        ("path", "S", {"ns": "acme", "name": "write", "version": "1.0.0"}, ["SKILL.md"]),
        ("nonsense", "", {}, []),
    ],
)
async def test_the_variables_of_a_template_are_completed(
    here: Machine, mode: str, argument: str, typed: str, known: dict[str, str], values: list[str]
) -> None:
    for name, version in (("review", "1.0.0"), ("review", "1.1.0"), ("write", "1.0.0")):
        await here.publish(f"@acme/{name}", version)
    await here.publish("@apex/build")
    async with Client(build_server(here.desk), mode=mode) as client:
        found = await complete_template(client, argument, typed, known)
    assert found == values


async def complete_template(
    client: Client, argument: str, typed: str, known: dict[str, str]
) -> list[str]:
    from mcp_types import ResourceTemplateReference

    reference = ResourceTemplateReference(uri="ctx://{ns}/{name}@{version}/{+path}")
    completed = await client.complete(reference, {"name": argument, "value": typed}, known)
    return completed.completion.values


@pytest.mark.parametrize(
    ("prompt", "argument", "typed", "values"),
    [
        ("vet_package", "ref", "@ac", ["@acme/review"]),
        ("vet_package", "ref", "", ["@acme/review"]),
        ("choose_package", "task", "re", []),
        ("nonsense", "ref", "", []),
    ],
)
async def test_the_arguments_of_prompts_are_completed(
    here: Machine, mode: str, prompt: str, argument: str, typed: str, values: list[str]
) -> None:
    from mcp_types import PromptReference

    await here.publish("@acme/review")
    async with Client(build_server(here.desk), mode=mode) as client:
        given = {"name": argument, "value": typed}
        completed = await client.complete(PromptReference(name=prompt), given)
    assert completed.completion.values == values


async def test_completion_says_when_the_registry_is_away(mode: str) -> None:
    desk = Desk(Unavailable("no answer", hint="Is it up?"))
    async with Client(build_server(desk), mode=mode) as client:
        with pytest.raises(MCPError, match="no answer. Is it up?"):
            await complete_template(client, "ns", "", {})


async def test_the_prompts_lead_through_the_tools(mode: str) -> None:
    async with Client(build_server(Desk()), mode=mode) as client:
        listed = (await client.list_prompts()).prompts
        assert [prompt.name for prompt in listed] == ["choose_package", "vet_package"]
        choose = await client.get_prompt("choose_package", {"task": "fill {ref} PDF forms"})
        vet = await client.get_prompt("vet_package", {"ref": "@acme/review"})
    for prompt, words in ((choose, "fill {ref} PDF forms"), (vet, "Vet @acme/review")):
        [message] = prompt.messages
        assert message.content.type == "text"
        assert words in message.content.text
        assert all(f"`{name}`" in message.content.text for name in ("trust", "inspect"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("nonsense", {}),
        ("choose_package", {}),
        ("choose_package", {"task": "  "}),
        ("choose_package", {"task": "x", "more": "y"}),
        ("vet_package", {"ref": "x" * 5000}),
    ],
)
async def test_a_prompt_asked_wrongly_is_an_error_of_the_caller(
    mode: str, name: str, arguments: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(build_server(Desk()), mode=mode) as client:
        with pytest.raises(MCPError) as raised:
            await client.get_prompt(name, arguments)
    assert raised.value.code == INVALID_PARAMS
    assert "Traceback" not in caplog.text
