"""Requests that strangers make us send: webhook targets and pictures by address.

Owns: which addresses may be reached at all. A host is resolved once, every address that it has must be public, and
the connection goes to the address that was checked, so a name that changes its mind gets nobody in. Redirects are
not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx2

from himmel.errors import ApiError
from himmel.studio.gate import Gate
from himmel.studio.names import addresses_of

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that the open internet uses; the rest is local in some way
RELAYS = ipaddress.ip_network("192.88.99.0/24")  # into IPv6 by 6to4
PLACES, OF_ONE_ACCOUNT = 8, 4


def gate() -> Gate:
    """For requests that wait for other people's machines: each holds a thread for as long as those like."""
    return Gate("too many requests wait for other servers already", PLACES, each=OF_ONE_ACCOUNT)


@dataclass(frozen=True)
class Answer:
    """What came back: the status and at most ``Outbound.limit`` bytes."""

    status: int
    content: bytes


def is_public(address: Address) -> bool:
    """Whether an address is on the open internet, and not one of ours in another spelling."""
    inner: list[Address | None] = []
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.sixtofour, *(address.teredo or ())]
        if address in NAT64:  # an IPv4 address in the last bits
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        elif address not in UNICAST:
            return False
    elif address in RELAYS:
        return False
    return address.is_global and not address.is_multicast and all(is_public(a) for a in inner if a is not None)


@dataclass(frozen=True)
class Outbound:
    """The one client for such requests. ``allowed`` says which addresses may be reached."""

    allowed: Callable[[Address], bool] = is_public
    schemes: tuple[str, ...] = ("https",)
    limit: int = 30_000_000
    seconds: float = 10.0

    def check(self, url: str) -> None:
        """Raise ApiError (400) for an address that will never be reached, before anything is sent."""
        self._target(url)

    def get(self, url: str) -> Answer:
        """Fetch. Raises ApiError (400) for what may not be reached, does not answer in time, or is too large.

        503 where too many names are looked up already.
        """
        return self._send("GET", url, b"", {})

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Deliver. Raises like ``get``."""
        return self._send("POST", url, body, headers)

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        host, pinned = self._target(url)
        # Nothing compressed: the limit counts what arrives.
        told = {**headers, "host": host.netloc, "accept-encoding": "identity"}
        name = {"sni_hostname": host.hostname} if host.scheme == "https" else {}
        try:
            asked = httpx2.Request(method, pinned, content=body or None, headers=told, extensions=name)
            return asyncio.run(asyncio.wait_for(self._answer(asked), self.seconds))
        except TimeoutError:
            raise _unreachable(f"'{host.hostname}' answers too slowly") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _unreachable(f"'{host.hostname}' does not answer ({type(error).__name__})") from None

    async def _answer(self, asked: httpx2.Request) -> Answer:
        """Not bounded in time; whoever waits for it bounds it as a whole, down to the drip of its headers."""
        async with httpx2.AsyncClient(timeout=self.seconds, trust_env=False) as client:
            answer = await client.send(asked, stream=True, follow_redirects=False)
            content = bytearray()
            async for chunk in answer.aiter_raw():
                content += chunk
                if len(content) > self.limit:
                    raise _unreachable("it sends too much")
            await answer.aclose()
            return Answer(answer.status_code, bytes(content))

    def _target(self, url: str) -> tuple[SplitResult, str]:
        """The parts of the URL, and the URL with the checked address in the host's place."""
        try:
            parts = urlsplit(url)
            parts = parts._replace(netloc=parts.netloc.encode("idna").decode())
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise _unreachable("it is no URL") from None
        if parts.scheme not in self.schemes or not parts.hostname or "@" in parts.netloc:
            raise _unreachable(f"allowed: {' or '.join(self.schemes)}, a host, and no user name")
        try:
            addresses = [ipaddress.ip_address(address) for address in addresses_of(parts.hostname, port)]
        except TimeoutError:
            raise _unreachable(f"the host '{parts.hostname[:100]}' is looked up too slowly") from None
        except (OSError, UnicodeError):
            raise _unreachable(f"the host '{parts.hostname[:100]}' is not known") from None
        if not addresses or not all(map(self.allowed, addresses)):
            raise _unreachable(f"the host '{parts.hostname[:100]}' is not on the open internet")
        address = addresses[0]
        shown = f"[{address}]" if address.version == 6 else str(address)
        return parts, parts._replace(netloc=f"{shown}:{port}", fragment="").geturl()


def _unreachable(why: str) -> ApiError:
    return ApiError(400, "url_not_reachable", f"the URL cannot be used: {why}", param="url")
