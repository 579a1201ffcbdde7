"""Whose request it is: the address a trusted proxy tells of, and no word of anybody else."""

from ipaddress import ip_network
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from server.edge.access.client import TRUSTED_PROXIES, Caller, address_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def address(remote: str, *forwarded: str, trusted: object = PROXIES) -> str:
    app = web.Application()
    app[TRUSTED_PROXIES] = trusted  # type: ignore[assignment]  # networks, or none
    headers = CIMultiDict([("X-Forwarded-For", one) for one in forwarded])
    transport = Mock(get_extra_info=lambda name, default=None: {"peername": (remote, 1)}.get(name))
    request = make_mocked_request("GET", "/", headers=headers, transport=transport, app=app)
    return address_of(request)


def test_without_a_proxy_nobody_can_claim_an_address() -> None:
    assert address("192.0.2.1", "198.51.100.7") == "192.0.2.1"
    assert address("10.0.0.1", "198.51.100.7", trusted=()) == "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (["198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
        (["198.51.100.7:4711"], "198.51.100.7"),
        (["[2001:db8:1:2:3::4]:4711"], "2001:db8:1:2::/64"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        ([], "10.0.0.1"),
        (["10.2.2.2, 10.3.3.3"], "10.2.2.2"),
        (["198.51.100.7, not an address"], "10.0.0.1"),
        (["203.0.113.9, not an address, 10.3.3.3"], "10.3.3.3"),
        ([", ".join(["203.0.113.9"] + ["10.1.1.1"] * 40)], "10.1.1.1"),
    ],
)
def test_the_right_most_address_that_is_no_proxy_counts(
    forwarded: list[str], expected: str
) -> None:
    assert address("10.0.0.1", *forwarded) == expected


def test_a_whole_ipv6_network_is_one_client() -> None:
    assert address("2001:db8:1:2:3:4:5:6") == address("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert address("::1") == "::1"
    assert address("fe80::1%eth0") == "fe80::/64"


def test_without_keys_a_private_picture_is_its_bringers() -> None:
    here = Caller("192.0.2.1", frozenset({"upload", "read", "admin"}), False, True)

    assert here.may_see("198.51.100.7")
    assert here.owns("192.0.2.1")
    assert not here.owns("198.51.100.7")
