"""Which addresses a notice may be sent to: never one inside a cloud that gives out secrets.

The address is looked at once the connection stands, before anything is said: a name that means another address the
next time it is asked for gains nothing.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from tallystick.model.errors import ConfigError, Unreachable

_NEVER: Final = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "224.0.0.0/3",
        "::/128", "fe80::/10", "fd00:ec2::254/128", "ff00::/8",
    )
)  # fmt: skip
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by the names that cannot mean another."""
    return host in _LOCAL


def check_url(url: str) -> str:
    """An address that notices may go to. Raises ConfigError: https, or http to this machine; no user in it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"this is no address: {error}") from error
    if not host or parts.username is not None or parts.fragment:
        raise ConfigError("a webhook has a host, and neither a user nor a fragment", hint="https://host/path")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigError(f"notices to {host} go over https", hint="http is for this machine alone")
    return url


def check_peer(address: str) -> None:
    """Raises Unreachable for a peer that no notice goes to."""
    peer = ip_address(address.partition("%")[0])
    peer = getattr(peer, "ipv4_mapped", None) or peer
    if any(peer in one for one in _NEVER if one.version == peer.version):
        raise Unreachable(f"no notice is sent to {peer}", hint="it is an address of a machine's own services")
