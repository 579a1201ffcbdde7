"""Nobody gets in: no spelling of an inner address leads to a connection."""

from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest
import pytest_asyncio
from aiohttp import ClientConnectorError

from server.config.sections import FetchSettings
from server.intake.fetch.addresses import Addresses
from server.intake.fetch.download import Downloader, Receive, Validators
from server.intake.fetch.faults import FetchFailed
from server.intake.fetch.guard import Guard
from server.intake.fetch.session import AddressRefused, guarded_session
from server.refusals import FetchRefused
from server.storage.spool import Spooled
from tests.intake.names import Names
from tests.intake.origin import Origin, redirect, serve_origin

# {port} is the trap's. Each leads to it, or to another place inside, if it is let.
LOOPBACK = (
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0X7F000001:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://127.0x0.0.01:{port}/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11:{port}/",
    "http://\u2460\u2461\u2466\u3002\u24ea.0.1:{port}/",
    "http://127。0。0。1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/",
    "HTTP://127.0.0.1:{port}/",
)
NAMES = (
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://ⓛocalhost:{port}/",
    "http://inside.example:{port}/",
    "http://bücher.example:{port}/",
    "http://six.example:{port}/",
    "http://mapped.example:{port}/",
)
INSIDE = (
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://0.1.2.3:{port}/",
    "http://10.0.0.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://100.100.100.200:{port}/",
    "http://169.254.1.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://168.63.129.16/machine",
    "http://192.0.0.192/opc/v2/",
    "http://172.16.0.1:{port}/",
    "http://172.31.255.255:{port}/",
    "http://192.168.1.1:{port}/",
    "http://192.0.2.1:{port}/",
    "http://192.88.99.1:{port}/",
    "http://198.18.0.1:{port}/",
    "http://198.51.100.1:{port}/",
    "http://203.0.113.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://240.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::ffff:8.8.8.8]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2002:a9fe:a9fe::]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:{port}/",
    "http://[2a00::5efe:7f00:1]:{port}/",
    "http://[2a00::200:5efe:10.0.0.1]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://[fc00::1]:{port}/",
    "http://[fd00:ec2::254]/latest/",
    "http://[fd20:ce::254]/",
    "http://[ff02::1]:{port}/",
    "http://[2001:db8::1]:{port}/",
    "http://[2001:2::1]:{port}/",
    "http://[3fff::1]:{port}/",
    "http://[100::1]:{port}/",
    "http://[5f00::1]:{port}/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://METADATA.google.internal./",
    "http://metadata/",
    "http://instance-data/latest/",
)
TRICKS = (
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_",
    "data:image/png;base64,AAAA",
    "//127.0.0.1:{port}/",
    "/etc/passwd",
    "",
    "http://",
    "http:///127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://user:password@127.0.0.1:{port}/",
    "http://outside.example@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@outside.example/",
    "http://outside.example%40127.0.0.1:{port}/",
    "http://127.0.0.1%2f@outside.example:{port}/",
    "http://127.0.0.1%00.outside.example:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1\\@outside.example:{port}/",
    "http://outside.example\\@127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}\\",
    "http://127.0.0.1 :{port}/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/\r\nHost: inside",
    "http://127.0.\t0.1:{port}/",
    "http://127.0.0.1..:{port}/",
    "http://.127.0.0.1:{port}/",
    "http://127.0.0.1:{port}:80/",
    "http://127.0.0.1:0x50/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.256:{port}/",
    "http://127.0.0.08:{port}/",
    "http://1.127.0.0.1:{port}/",
    "http://4294967296:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://[::1%lo]:{port}/",
    "http://[fe80::1%25eth0]:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://[::1:{port}/",
    "http://::1:{port}/",
    "http://[v1.127.0.0.1]:{port}/",
    "http://a\u200d.example:{port}/",
    "http://exa mple:{port}/",
    "http://" + "a" * 64 + ".example:{port}/",
    "http://outside.example:{port}/" + "a" * 5000,
)


def names() -> Names:
    """Names that lead inside."""
    return Names(
        {
            "localhost": [["127.0.0.1", "::1"]],
            "inside.example": [["127.0.0.1"]],
            "xn--bcher-kva.example": [["127.0.0.1"]],
            "six.example": [["::1"]],
            "mapped.example": [["::ffff:127.0.0.1"]],
            "outside.example": [["127.0.0.1"]],
        }
    )


@pytest_asyncio.fixture
async def trap() -> AsyncIterator[Origin]:
    """Nobody may come here."""
    async with serve_origin() as origin:
        origin.bytes("/", b"caught")
        yield origin


def settings(*networks: str, **more: object) -> FetchSettings:
    """Any port, and quick to give up."""
    return FetchSettings.model_validate(
        {"ports": [0], "allow_networks": networks, "connect_timeout_s": 2, **more}
    )


async def fetch(url: str, chosen: FetchSettings, resolver: Names) -> bytes:
    """What a fetch of the URL brings, by the way that jobs take."""
    guard, got = Guard(chosen), bytearray()

    async def receive(chunks: AsyncIterator[bytes]) -> Spooled:
        async for chunk in chunks:
            got.extend(chunk)
        return None  # type: ignore[return-value]  # nobody looks at it

    taken: Receive = receive
    async with guarded_session(guard, chosen, resolver=resolver) as session:
        await Downloader(session, guard, chosen, max_bytes=1000).fetch(url, taken, Validators())
    return bytes(got)


@pytest.mark.parametrize(
    "url", ["http://127.255.255.254:{port}/", *LOOPBACK, *NAMES, *INSIDE, *TRICKS]
)
async def test_no_spelling_of_an_inner_address_is_followed(url: str, trap: Origin) -> None:
    with pytest.raises(FetchFailed) as failed:
        await fetch(url.replace("{port}", str(trap.port)), settings(), names())

    assert failed.value.code == "fetch_refused"
    assert not failed.value.may_recover
    assert trap.hits.total() == 0


@pytest.mark.parametrize("url", [*LOOPBACK, *NAMES[:7]])
async def test_the_trap_is_reached_where_its_network_is_allowed(url: str, trap: Origin) -> None:
    chosen = settings("127.0.0.0/8", "::1/128")

    assert await fetch(url.replace("{port}", str(trap.port)), chosen, names()) == b"caught"
    assert trap.hits.total() == 1


@pytest.mark.parametrize(
    "url",
    [url for url in (*INSIDE, *TRICKS) if "0.0.0.0" not in url and url != "http://0:{port}/"],
)
async def test_an_allowed_loopback_opens_nothing_else(url: str, trap: Origin) -> None:
    chosen = settings("127.0.0.0/8", "::1/128")

    with pytest.raises(FetchFailed) as failed:
        await fetch(url.replace("{port}", str(trap.port)), chosen, names())

    assert failed.value.code == "fetch_refused"
    assert trap.hits.total() == 0


@pytest.mark.parametrize(
    "answers",
    [
        [["127.0.0.1"]],
        [["::1", "127.0.0.1"]],
        [["169.254.169.254", "127.0.0.1"]],
        [["::ffff:127.0.0.1"], ["127.0.0.1"]],
    ],
)
async def test_a_name_is_judged_by_every_answer(answers: list[list[str]], trap: Origin) -> None:
    with pytest.raises(FetchFailed) as failed:
        await fetch(
            trap.url("/", "rebinding.example"), settings(), Names({"rebinding.example": answers})
        )

    assert failed.value.code == "fetch_refused"
    assert trap.hits.total() == 0


async def test_a_name_that_changes_its_answer_between_requests_is_looked_at_again(
    trap: Origin,
) -> None:
    """First it leads to a place that is allowed, which sends on to itself, then inside."""

    trap.answer("/first", redirect(trap.url("/", "rebinding.example"), closes=True))
    resolver = Names({"rebinding.example": [["127.0.0.1"], ["::1"]]})

    with pytest.raises(FetchFailed) as failed:
        await fetch(trap.url("/first", "rebinding.example"), settings("127.0.0.0/8"), resolver)

    assert failed.value.code == "fetch_refused"
    assert trap.hits == {"/first": 1}


async def test_the_socket_itself_refuses_when_the_resolver_is_passed_by(trap: Origin) -> None:
    """The last word is spoken where the socket is made."""
    guard = Guard(settings())

    async with guarded_session(guard, settings(), resolver=names()) as session:
        connector = session.connector
        assert connector is not None
        connector._resolver = names()  # type: ignore[attr-defined]  # one that keeps nothing back
        with pytest.raises(ClientConnectorError) as failed:
            await session.post(trap.url("/", "inside.example"), data=b"hook")

    assert isinstance(failed.value.os_error, AddressRefused)
    assert trap.hits.total() == 0


async def test_the_session_alone_keeps_to_the_rules(trap: Origin) -> None:
    """Who posts through it needs no other care: this is how callbacks will go out."""
    guard = Guard(settings())

    async with guarded_session(guard, settings(), resolver=names()) as session:
        with pytest.raises(FetchRefused):
            await session.post(trap.url("/"), data=b"hook")
        with pytest.raises(ClientConnectorError):
            await session.post(trap.url("/", "localhost"), data=b"hook")

    assert trap.hits.total() == 0


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/",
        "http://[::1]:{port}/",
        "//127.0.0.1:{port}/",
        "http://2130706433:{port}/",
        "http://inside.example:{port}/",
        "http://user@outside.example:{port}/",
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "http://127.0.0.1:{port}/\\x",
        "http://[broken/",
    ],
)
async def test_every_redirect_is_checked(location: str, trap: Origin) -> None:
    """The door lies on an address that is allowed; the trap listens beside it on 127.0.0.1."""
    target = location.replace("{port}", str(trap.port))
    trap.answer("/door", redirect(target))
    door = trap.url("/door", "door.example")
    resolver = names()
    resolver.answers["door.example"] = [["::1"]]

    with pytest.raises(FetchFailed) as failed:
        await fetch(door, settings("::1/128", deny_hosts=["::1"]), resolver)

    assert failed.value.code == "fetch_refused"
    assert trap.hits == {"/door": 1}


def test_https_never_leads_back_to_http() -> None:
    guard = Guard(settings())
    origin = guard.check("https://8.8.8.8/a")

    assert guard.check_redirect(origin, "/b").text == "https://8.8.8.8/b"
    assert (
        guard.check_redirect(guard.check("http://8.8.8.8/"), "https://8.8.8.8/").scheme == "https"
    )
    with pytest.raises(FetchRefused):
        guard.check_redirect(origin, "http://8.8.8.8/b")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://8.8.8.8", "http://8.8.8.8/"),
        ("http://134744072/", "http://8.8.8.8/"),
        ("HTTPS://Example.COM.:443/A?b=%20#c", "https://example.com/A?b=%20"),
        ("http://example.com:80/ä?ö", "http://example.com/%C3%A4?%C3%B6"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://[2606:4700:0::1111]/", "http://[2606:4700::1111]/"),
        ("https://example.com:8443/a'b", "https://example.com:8443/a'b"),
        ("http://example.com/%", "http://example.com/%"),
    ],
)
def test_what_is_allowed_is_written_anew(written: str, read: str) -> None:
    assert Guard(settings()).check(written).text == read


def test_ports_beside_the_list_are_refused() -> None:
    guard = Guard(FetchSettings())

    assert guard.check("https://example.com/").port == 443
    for url in ("http://example.com:22/", "http://example.com:8080/", "https://example.com:0/"):
        with pytest.raises(FetchRefused):
            guard.check(url)


def test_hosts_are_chosen_by_pattern_and_a_no_wins() -> None:
    guard = Guard(
        settings(allow_hosts=["*.Example.com", "8.8.8.8"], deny_hosts=["bad.example.com"])
    )

    assert guard.check("http://a.example.com/").host == "a.example.com"
    assert guard.check("http://134744072/").host == "8.8.8.8"
    for host in (
        "example.com",
        "bad.example.com",
        "BAD.example.com.",
        "example.com.org",
        "8.8.4.4",
    ):
        with pytest.raises(FetchRefused):
            guard.check(f"http://{host}/")


def test_a_network_does_not_open_the_metadata_inside_it() -> None:
    networks = settings("169.254.0.0/16", "fd00::/8", "168.63.0.0/16").allow_networks
    addresses = Addresses(networks)

    assert addresses.may_be_reached(ip_address("169.254.1.1"))
    assert not addresses.may_be_reached(ip_address("169.254.169.254"))
    assert not addresses.may_be_reached(ip_address("fd00:ec2::254"))
    assert not addresses.may_be_reached(ip_address("168.63.129.16"))
    named = Addresses(settings("169.254.169.254/32").allow_networks)
    assert named.may_be_reached(ip_address("169.254.169.254"))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "223.255.255.1"],
)
def test_public_addresses_of_version_4_are_let(address: str) -> None:
    assert Addresses([]).may_be_reached(ip_address(address))


@pytest.mark.parametrize(
    "address", ["2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1"]
)
def test_public_addresses_of_version_6_are_let(address: str) -> None:
    assert Addresses([]).may_be_reached(ip_address(address))
