"""The app as a whole: whose words a refusal speaks, and that nothing redirects or leaks."""

from __future__ import annotations

import logging

import httpx
import pytest
from starlette.routing import Route

from registry_core.errors import Unavailable
from registry_core.storage.objects import ObjectBlobs
from served import Served, at
from transports.http import create_app


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["/", "/nothing", "/v1", "/v1/", "/v1/nothing", "/apiary"])
async def test_an_unknown_path_has_the_envelope_of_the_contract(
    served: Served, method: str, path: str
) -> None:
    response = await served.http.request(method, path)
    assert response.status_code == 404
    assert response.json()["error_code"] == "not_found"
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/api/v1/index.json", "GET, HEAD"),
        ("GET", at("@acme/review", "1.0.0"), "DELETE, PUT"),
        ("GET", at("@acme/review", "1.0.0", "unyank"), "POST"),
        ("GET", "/v1/tools/call", "POST"),
        ("DELETE", "/health", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    served: Served, method: str, path: str, allow: str
) -> None:
    response = await served.http.request(method, path)
    assert response.status_code == 405
    assert ", ".join(sorted(response.headers["allow"].split(", "))) == allow
    said = response.json()
    assert isinstance(said["error"], str)
    assert ("error_code" in said) is not path.startswith("/api/")


@pytest.mark.parametrize("path", ["/api/v1/index.json/", "/health/", "/v1/tools/", "//health"])
async def test_a_slash_too_many_is_not_redirected(served: Served, path: str) -> None:
    assert (await served.get(path)).status_code == 404


async def test_head_is_answered_without_a_body(online: Served) -> None:
    for path in ("/health", "/v1/tools", "/api/v1/index.json"):
        response = await online.http.head(path)
        assert (response.status_code, response.content) == (200, b"")
        assert int(response.headers["content-length"]) > 0


async def test_a_defect_is_500_in_json_and_says_nothing_of_its_cause(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(served.world.registry)

    async def defect(request: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    app.router.routes[:0] = [Route("/api/v1/x", defect), Route("/v1/x", defect)]
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: object, receive: object, send: object) -> None:
            await app({**scope, "state": dict(state)}, receive, send)  # type: ignore[arg-type, dict-item]

        transport = httpx.ASGITransport(app=with_state, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            theirs, ours = await http.get("/api/v1/x"), await http.get("/v1/x")
    for response in (theirs, ours):
        assert response.status_code == 500
        assert "secret" not in response.text
        assert response.json()["code"] == "internal"
    assert ours.json()["error_code"] == "internal_error"
    assert "error_code" not in theirs.json()


async def test_a_lost_blob_is_an_error_of_the_server_and_is_logged(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    token = await served.token()
    await served.put(token)
    path = at("@acme/review", "1.0.0", "download")
    blobs = served.world.registry.blobs
    assert isinstance(blobs, ObjectBlobs)
    [blob] = [f for f in (served.world.folder / "blobs").rglob("*") if f.is_file()]
    blob.write_bytes(b"other bytes")
    with caplog.at_level(logging.ERROR):
        response = await served.get(path)
    assert response.status_code == 500
    assert "a stored blob was changed" in caplog.text


async def test_a_path_writes_no_line_of_its_own_into_the_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(request: object) -> None:
        raise Unavailable("the database is away")

    app = create_app(served.world.registry)
    app.router.routes[:0] = [Route("/api/{name}", away)]
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            assert (await http.get("/api/x%0AERROR%20forged")).status_code == 503
    assert "forged" in caplog.text
    assert "\nERROR forged" not in caplog.text
