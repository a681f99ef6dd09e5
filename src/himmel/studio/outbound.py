"""Requests that strangers make us send: webhook targets and pictures by address.

Owns: which addresses may be reached at all. A host is resolved once, every address that it has must be public, and
the connection goes to the address that was checked, so a name that changes its mind gets nobody in. Redirects are
not followed.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx2

from himmel.errors import ApiError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Answer:
    """What came back: the status and at most ``Outbound.limit`` bytes."""

    status: int
    content: bytes


def is_public(address: Address) -> bool:
    """Whether an address is on the open internet, and not one of ours in another spelling."""
    inner: list[Address | None] = []
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64 or int(address) < 1 << 32:  # an IPv4 address in the last bits
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
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
        """Fetch. Raises ApiError (400) for what may not be reached, does not answer in time, or is too large."""
        return self._send("GET", url, b"", {})

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Deliver. Raises like ``get``."""
        return self._send("POST", url, body, headers)

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        host, pinned = self._target(url)
        told = {**headers, "host": host.netloc.rpartition("@")[2]}
        deadline = time.monotonic() + self.seconds
        name = {"sni_hostname": host.hostname} if host.scheme == "https" else {}
        try:
            with (
                httpx2.Client(timeout=self.seconds, follow_redirects=False, trust_env=False) as client,
                client.stream(method, pinned, content=body or None, headers=told, extensions=name) as answer,
            ):
                content = bytearray()
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > self.limit or time.monotonic() > deadline:
                        raise _unreachable(f"'{host.hostname}' sends too much, or too slowly")
                return Answer(answer.status_code, bytes(content))
        except httpx2.HTTPError as error:
            raise _unreachable(f"'{host.hostname}' does not answer ({type(error).__name__})") from None

    def _target(self, url: str) -> tuple[SplitResult, str]:
        """The parts of the URL, and the URL with the checked address in the host's place."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise _unreachable("it is no URL") from None
        if parts.scheme not in self.schemes or not parts.hostname or parts.username or parts.password:
            raise _unreachable(f"allowed: {' or '.join(self.schemes)}, a host, and no user name")
        try:
            found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise _unreachable(f"the host '{parts.hostname[:100]}' is not known") from None
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        if not addresses or not all(map(self.allowed, addresses)):
            raise _unreachable(f"the host '{parts.hostname[:100]}' is not on the open internet")
        address = addresses[0]
        shown = f"[{address}]" if address.version == 6 else str(address)
        return parts, parts._replace(netloc=f"{shown}:{port}", fragment="").geturl()


def _unreachable(why: str) -> ApiError:
    return ApiError(400, "url_not_reachable", f"the URL cannot be used: {why}", param="url")
