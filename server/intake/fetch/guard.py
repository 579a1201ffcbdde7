"""Which URLs the service follows on a stranger's word: checked as text here, as address on connect.

A URL that passes is rebuilt from its checked parts, so that what was looked at is what is asked
for, whatever another parser would have read in the original.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, urljoin, urlsplit

import idna

from server.config.sections import FetchSettings
from server.intake.fetch.addresses import Address, Addresses
from server.refusals import FetchRefused

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_LENGTH = 4096
_MAX_QUOTED = 80
# Control characters and blanks are dropped by some parsers, a backslash is a slash to others.
_NEVER = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/?#@]+)(?::([0-9]{0,5}))?")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
# Reserved marks, and the percent sign of what is quoted already, stay as they are.
_PATH_MARKS = "/:@!$&'()*+,;=~%"
_QUERY_MARKS = _PATH_MARKS + "?"

# Names of services that hand out credentials, wherever they may resolve to.
_METADATA_HOSTS = (
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "instance-data",
    "instance-data.ec2.internal",
    "kubernetes.default.svc*",
)


@dataclass(frozen=True, slots=True)
class CheckedUrl:
    """A URL that may be asked for, if the address it leads to may be, too.

    `host` is an IP address in its usual spelling or a name in ASCII, without brackets or end dot.
    """

    text: str
    scheme: str
    host: str
    port: int


class Guard:
    """The rules of config.toml's [fetch] on hosts, ports and addresses."""

    def __init__(self, settings: FetchSettings) -> None:
        self._ports = frozenset(settings.ports)
        self._allow_hosts = _any_of(settings.allow_hosts) if settings.allow_hosts else None
        self._deny_hosts = _any_of([*settings.deny_hosts, *_METADATA_HOSTS])
        self._addresses = Addresses(settings.allow_networks)

    def check(self, text: str) -> CheckedUrl:
        """Read a URL strictly. Raises FetchRefused that says what is wrong with it."""
        if len(text) > _MAX_LENGTH:
            raise FetchRefused(
                f"A URL may have {_MAX_LENGTH} characters; this one has {len(text)}.",
                limit=_MAX_LENGTH,
                actual=len(text),
            )
        if found := _NEVER.search(text):
            raise _refused(text, f"it has the character U+{ord(found[0]):04X} in it")
        try:
            parts = urlsplit(text)
        except ValueError as error:  # brackets that do not match, letters that NFKC makes marks
            raise _refused(text, "its host cannot be read") from error
        scheme = parts.scheme.lower()
        if scheme not in _DEFAULT_PORTS:
            raise _refused(text, "only http:// and https:// are fetched")
        host, port = self._authority(text, parts.netloc, scheme)
        path = quote(parts.path or "/", safe=_PATH_MARKS)
        query = f"?{quote(parts.query, safe=_QUERY_MARKS)}" if parts.query else ""
        shown = f"[{host}]" if ":" in host else host
        at = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
        return CheckedUrl(f"{scheme}://{shown}{at}{path}{query}", scheme, host, port)

    def check_redirect(self, origin: CheckedUrl, location: str) -> CheckedUrl:
        """The same for where an answer points; from https there is no way back to http."""
        if found := _NEVER.search(location):
            raise _refused(location, f"it has the character U+{ord(found[0]):04X} in it")
        try:
            target = self.check(urljoin(origin.text, location))
        except ValueError as error:
            raise _refused(location, "its host cannot be read") from error
        if origin.scheme == "https" and target.scheme == "http":
            raise _refused(target.text, "https:// may not lead to http://")
        return target

    def may_connect(self, address: Address) -> bool:
        """Asked of the very address that is about to be connected to."""
        return self._addresses.may_be_reached(address)

    def _authority(self, text: str, authority: str, scheme: str) -> tuple[str, int]:
        if "@" in authority:
            raise _refused(text, "a user name or password may not stand in it")
        found = _AUTHORITY.fullmatch(authority)
        if found is None:
            raise _refused(text, "its host cannot be read")
        host = _host(text, found[1])
        port = int(found[2]) if found[2] else _DEFAULT_PORTS[scheme]
        self._refuse_host(text, host)
        if port > 65535 or (port not in self._ports and 0 not in self._ports):
            allowed = "any up to 65535" if 0 in self._ports else _listed(self._ports)
            raise _refused(text, f"port {port} is not allowed, only {allowed}")
        return str(host), port

    def _refuse_host(self, text: str, host: Address | str) -> None:
        name = str(host)
        if self._deny_hosts.match(name):
            raise _refused(text, "its host is not allowed")
        if self._allow_hosts is not None and not self._allow_hosts.match(name):
            raise _refused(text, "its host is not among those that are allowed")
        if not isinstance(host, str) and not self.may_connect(host):
            raise _refused(text, "its address is not public")


def _listed(ports: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ports)))


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """Patterns as of file names, `*` for any letters, as one expression."""
    return re.compile("|".join(translate(one.lower().rstrip(".")) for one in patterns))


def _host(text: str, written: str) -> Address | str:
    """An address in any spelling becomes an address; every other host a name in ASCII."""
    if written.startswith("["):
        try:
            return IPv6Address(written[1:-1])
        except ValueError as error:
            raise _refused(text, "its host is no IPv6 address") from error
    name = _ascii(text, written).removesuffix(".")
    last = name.rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        return _numeric(text, name)
    if not _NAME.fullmatch(name):
        raise _refused(text, "its host is no name that could exist")
    return name


def _ascii(text: str, written: str) -> str:
    """As browsers do: letters of other scripts to punycode, wide digits and dots to plain ones."""
    if written.isascii():
        return written.lower()
    try:
        return idna.encode(written, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise _refused(text, "its host is no name that could exist") from error


def _numeric(text: str, name: str) -> IPv4Address:
    """One to four numbers, decimal, octal or hex, the last filling what is left (WHATWG URL)."""
    parts = name.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise _refused(text, "its host is no IPv4 address")
    try:
        numbers = [_number(part) for part in parts]
    except ValueError as error:  # an 8 or 9 after a zero
        raise _refused(text, "its host is no IPv4 address") from error
    *heads, tail = numbers
    if any(head > 255 for head in heads) or tail >= 256 ** (5 - len(parts)):
        raise _refused(text, "its host is no IPv4 address")
    return IPv4Address(sum(head << (24 - 8 * at) for at, head in enumerate(heads)) + tail)


def _number(part: str) -> int:
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if len(part) > 1 and part[0] == "0" else int(part)


def _refused(text: str, reason: str) -> FetchRefused:
    shown = text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…"
    return FetchRefused(f"'{_printable(shown)}' is not fetched: {reason}.")


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in text)
