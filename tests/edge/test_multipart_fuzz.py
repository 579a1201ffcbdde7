"""Whatever stands in a multipart body: never a 5xx, and nothing is left in the spool."""

from http.client import HTTPConnection

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edge.pictures import jpeg, png
from tests.edge.traces import files_of
from tests.edge.wire import BOUNDARY, multipart, part
from tests.server_process import ServerProcess

PICTURES = (jpeg(16, 12), png(4, 4))

CONTENT = st.one_of(
    st.sampled_from(PICTURES),
    st.binary(max_size=60),
    st.sampled_from((b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"--" + BOUNDARY.encode())),
)
FIELD = st.sampled_from(("options", "preset", "private", "expiresIn", "other"))
VALUE = st.one_of(
    st.text(max_size=30).map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from((b"{}", b'{"resize":{"width":8}}', b"[" * 50, b"\xff\xfe", b"thumb", b"true")),
)
MORE = st.sampled_from(
    (
        '; filename="a.jpg"',
        "; filename*=UTF-8''%e2%82%ac",
        '; filename="',
        "",
        '"\r\nContent-Transfer-Encoding: base64',
        '"; filename="a"\r\nContent-Encoding: gzip',
        '"; filename="a"\r\nContent-Type: multipart/mixed; boundary=x',
    )
)
PARTS = st.lists(
    st.one_of(
        st.builds(lambda content, more: part(content, more=more), CONTENT, MORE),
        st.builds(lambda name, value: part(value, name=name, more=""), FIELD, VALUE),
        st.binary(max_size=80),
    ),
    max_size=5,
)
# Where a body is broken, as a share of its length, and what stands there instead of some bytes.
BREAKS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=8)), max_size=3)


def broken(body: bytes, breaks: list[tuple[float, int, bytes]]) -> bytes:
    """The body with some of its bytes gone or changed."""
    for share, gone, instead in breaks:
        at = int(share * len(body))
        body = body[:at] + instead + body[at + gone :]
    return body


def status_of_upload(server: ServerProcess, body: bytes, boundary: str) -> int:
    """What the server says to it, on a connection of its own."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=60)
    try:
        content_type = f"multipart/form-data; boundary={boundary}"
        connection.request("POST", "/upload", body, {"Content-Type": content_type})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=PARTS,
    breaks=BREAKS,
    boundary=st.sampled_from([BOUNDARY] * 8 + ["other", '""', "x" * 100]),
)
def test_no_body_breaks_it_and_nothing_is_left(
    shared_server: ServerProcess,
    parts: list[bytes],
    breaks: list[tuple[float, int, bytes]],
    boundary: str,
) -> None:
    before = files_of(shared_server)

    status = status_of_upload(shared_server, broken(multipart(parts), breaks), boundary)

    assert status < 500
    after = files_of(shared_server)
    assert [one for one in after - before if one.startswith("spool/incoming/")] == []
