"""How many connections one address may have open.

Owns: the counting. An IPv6 address counts with all of its /64, which one customer has to himself. This machine, and the
proxies that are believed, may have any number: behind them are many people, whom they have to keep apart themselves.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections import Counter

from himmel.errors import BadRequest

log = logging.getLogger("himmel.connections")
ANSWERED = 32  # beyond the limit that are told why; further ones are ended without a word
TOLD_AGAIN_SECONDS = 60.0
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Connections:
    """The open connections of one server, by address; ``most`` of each, 0 for any number, and any of the ``trusted``.

    Raises BadRequest for ``trusted`` that are no addresses or networks, with commas; "*" trusts all.
    """

    def __init__(self, most: int, trusted: str = "") -> None:
        self.most = most
        self.trusted = _networks(trusted)
        self.open: Counter[str] = Counter()
        self._told = float("-inf")

    def key(self, address: str | None) -> str | None:
        """What of an address is counted; None for one that may have any number."""
        try:
            found = ipaddress.ip_address((address or "").partition("%")[0])
        except ValueError:  # a socket without addresses
            return None
        if isinstance(found, ipaddress.IPv6Address):
            found = found.ipv4_mapped or found
        if not self.most or found.is_loopback or any(found in network for network in self.trusted):
            return None
        return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))

    def opened(self, key: str) -> bool:
        """One more; says whether it may be. Either way it counts until it is ``closed``."""
        self.open[key] += 1
        if self.open[key] <= self.most:
            return True
        if time.monotonic() - self._told > TOLD_AGAIN_SECONDS:
            self._told = time.monotonic()
            log.warning("more than %d connections of one address: further ones are refused", self.most)
        return False

    def closed(self, key: str) -> None:
        """One less."""
        self.open[key] -= 1
        if not self.open[key]:
            del self.open[key]

    def is_flood(self, key: str) -> bool:
        """Whether there are so many that it is not even said to them."""
        return self.open[key] > self.most + ANSWERED


def _networks(trusted: str) -> list[Network]:
    words = [word.strip() for word in trusted.split(",") if word.strip()]
    try:
        words = ["0.0.0.0/0", "::/0"] if "*" in words else words
        return [ipaddress.ip_network(word) for word in words]
    except ValueError as error:
        told = f"setting 'trusted_proxies' is '{trusted}': {error}; allowed: addresses and networks, with commas"
        raise BadRequest(told) from None
