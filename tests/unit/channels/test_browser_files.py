"""Files for browsers come small, unharmed and fresh."""

import gzip

import brotli
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.browser_files import BrowserFiles

SCRIPT = "// a remark\nexport const words = {\n  hello: 'hola  //  no remark',\n};\n" + "export let n = 1;\n" * 40


@pytest.fixture
async def client(tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "a.js").write_text(SCRIPT)
    (tmp_path / "dot.svg").write_text("<svg/>")
    (tmp_path / "secret.toml").write_text("token = 1")
    application = web.Application()
    application.router.add_routes([BrowserFiles(tmp_path, {"X-Extra": "yes"}).route("/ui/")])
    async with TestClient(TestServer(application), auto_decompress=False) as browser:
        yield browser


UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br", "br"), ("gzip;q=0.5", "gzip"), ("br;q=0, gzip", "gzip"), ("identity", None), ("", None)],
)
async def test_a_script_comes_in_the_smallest_form_that_the_browser_takes(client, accepted, encoding):
    answer = await client.get("/ui/page/a.js", headers={"Accept-Encoding": accepted})
    body = await answer.read()
    assert answer.headers.get("Content-Encoding") == encoding
    script = UNPACK[encoding](body).decode()
    assert "a remark" not in script
    assert "'hola  //  no remark'" in script
    assert answer.headers["X-Extra"] == "yes"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Vary"] == "Accept-Encoding"


async def test_what_the_browser_has_already_is_not_sent_again(client):
    tag = (await client.get("/ui/page/a.js")).headers["ETag"]
    again = await client.get("/ui/page/a.js", headers={"If-None-Match": tag})
    assert (again.status, await again.read()) == (304, b"")


async def test_a_small_file_goes_as_it_is(client):
    answer = await client.get("/ui/dot.svg", headers={"Accept-Encoding": "br"})
    assert await answer.read() == b"<svg/>"
    assert answer.content_type == "image/svg+xml"


@pytest.mark.parametrize("path", ["secret.toml", "../secret.toml", "page/", "page/b.js", "..%2f..%2fetc/passwd"])
async def test_nothing_else_is_served(client, path):
    assert (await client.get(f"/ui/{path}")).status == 404
