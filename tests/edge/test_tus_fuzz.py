"""Whatever stands in the headers of a tus request: never a 5xx, and nothing is left behind."""

from http.client import HTTPConnection

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edge.traces import files_of
from tests.edge.tus_requests import metadata
from tests.server_process import ServerProcess

LENGTH = 40

# Bytes that a header may carry; http.client sends them as they are.
ANYTHING = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40
)
NUMBER = st.one_of(st.integers(-3, LENGTH + 3).map(str), st.sampled_from(["1e1", "99" * 20, ""]))
PAIRS = st.dictionaries(
    st.sampled_from(["filename", "options", "preset", "private", "expiresIn", "other"]),
    st.text(max_size=20),
    max_size=3,
)
HEADERS: dict[str, st.SearchStrategy[str]] = {
    "Tus-Resumable": st.sampled_from(["1.0.0"] * 6 + ["1.0", ""]),
    "Upload-Length": NUMBER | ANYTHING,
    "Upload-Offset": NUMBER | ANYTHING,
    "Upload-Metadata": PAIRS.map(lambda pairs: metadata(**pairs)) | ANYTHING,
    "Upload-Checksum": st.sampled_from(["sha1", "md5 AAAA", "sha256 " + "A" * 43 + "="]) | ANYTHING,
    "Content-Type": st.sampled_from(["application/offset+octet-stream", "image/png"]) | ANYTHING,
    "X-HTTP-Method-Override": st.sampled_from(["PATCH", "HEAD", "DELETE", "POST"]) | ANYTHING,
    "Upload-Defer-Length": st.just("1"),
}
SOME_HEADERS = st.fixed_dictionaries(
    {"Tus-Resumable": HEADERS["Tus-Resumable"]},
    optional={name: value for name, value in HEADERS.items() if name != "Tus-Resumable"},
)


def asked(
    server: ServerProcess, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, str | None]:
    """Status and Location of one request on a connection of its own."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=60)
    try:
        connection.putrequest(method, path)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            connection.putheader(name, value.encode("latin-1", errors="replace"))
        connection.endheaders(body)
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("Location")
    finally:
        connection.close()


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["POST", "PATCH", "HEAD", "DELETE"]),
    headers=SOME_HEADERS,
    body=st.binary(max_size=LENGTH + 10),
)
def test_no_header_breaks_it_and_nothing_is_left(
    shared_server: ServerProcess, method: str, headers: dict[str, str], body: bytes
) -> None:
    server = shared_server
    before = files_of(server)
    good = {"Tus-Resumable": "1.0.0"}
    status, path = asked(server, "POST", "/files", good | {"Upload-Length": str(LENGTH)}, b"")
    assert (status, path is not None) == (201, True)

    told, _ = asked(server, method, str(path), headers, body)
    created, another = asked(server, "POST", "/files", headers, body)

    assert told < 500 and created < 500
    for one in (path, another):
        if one is not None:
            assert asked(server, "DELETE", one, good, b"")[0] in (204, 404)
    own = ("spool/tus/", "spool/incoming/")
    assert [one for one in files_of(server) - before if one.startswith(own)] == []
