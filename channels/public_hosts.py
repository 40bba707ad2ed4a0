"""Keeps fetches that somebody else's words lead to out of private networks, ours before all.

A name is looked at when it is resolved, and the connection goes to the very address that was looked at; an address that
is written out in numbers never meets a resolver, so it is looked at by itself.
"""

from __future__ import annotations

import ipaddress
import socket

import msgspec
from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL


class PrivateHost(OSError):
    """An address inside a private network, or a name that leads there."""


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only. *allows_loopback*: to this machine besides, for stand-ins."""

    def __init__(self, *, allows_loopback: bool = False) -> None:
        self._allows_loopback = allows_loopback
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises ``PrivateHost`` when any of the addresses is private."""
        results = await self._names.resolve(host, port, family)
        if not all(is_public(result["host"], allows_loopback=self._allows_loopback) for result in results):
            raise PrivateHost("the name leads into a private network")
        return results

    async def close(self) -> None:
        await self._names.close()


class PublicOnly(msgspec.Struct, frozen=True):
    """A bound to where a line may lead: public hosts, and with *allows_loopback* this machine besides."""

    allows_loopback: bool = False

    @classmethod
    def beside(cls, api_url: URL) -> PublicOnly:
        """For what an API names: this machine is allowed where the API itself is a stand-in on it."""
        return cls(is_loopback(api_url.host or ""))

    def resolver(self) -> PublicResolver:
        """Made within a running loop."""
        return PublicResolver(allows_loopback=self.allows_loopback)

    def require(self, url: URL) -> None:
        """Raise as :func:`require_public`."""
        require_public(url, allows_loopback=self.allows_loopback)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its address, or by the one name that always is."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(address: str, *, allows_loopback: bool = False) -> bool:
    """Whether an IP address lies in no private, shared, link-local, multicast or reserved network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found.sixtofour or found
    return (found.is_global and not found.is_multicast) or (allows_loopback and found.is_loopback)


def require_public(url: URL, *, allows_loopback: bool = False) -> None:
    """Raise ``PrivateHost`` for an address in numbers that is private; names are left to :class:`PublicResolver`."""
    host = url.host or ""
    try:
        is_fine = is_public(host, allows_loopback=allows_loopback)
    except ValueError:
        return
    if not is_fine:
        raise PrivateHost("the address is inside a private network")
