"""No fetch that somebody else's words lead to ends inside a private network."""

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from channels.public_hosts import PrivateHost, PublicResolver, is_public, require_public

PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.3.4",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "2002:0a00:0001::",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_none_of_ours_to_fetch_from(address):
    assert not is_public(address)
    host = f"[{address.partition('%')[0]}]" if ":" in address else address
    with pytest.raises(PrivateHost):
        require_public(URL(f"http://{host}/a"))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_fetched_from(address):
    assert is_public(address)
    require_public(URL(f"https://[{address}]/" if ":" in address else f"https://{address}/"))


def test_a_name_is_left_to_the_resolver():
    require_public(URL("https://localhost/"))


def test_this_machine_is_allowed_for_stand_ins_only():
    assert is_public("127.0.0.1", allows_loopback=True)
    assert not is_public("10.0.0.1", allows_loopback=True)


@pytest.mark.parametrize("allows_loopback", [False, True])
async def test_a_name_that_leads_to_this_machine_is_not_connected_to(allows_loopback):
    async def answer(_request):
        return web.Response(text="inner")

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connector = aiohttp.TCPConnector(resolver=PublicResolver(allows_loopback=allows_loopback))
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            address = f"http://localhost:{runner.addresses[0][1]}/"
            if allows_loopback:
                async with session.get(address) as response:
                    assert await response.text() == "inner"
            else:
                with pytest.raises(aiohttp.ClientConnectorError) as raised:
                    await session.get(address)
                assert isinstance(raised.value.os_error, PrivateHost)
    finally:
        await runner.cleanup()
