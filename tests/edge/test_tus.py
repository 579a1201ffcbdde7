"""Resumable uploads: the words of tus 1.0 one by one, over real HTTP."""

import asyncio
import hashlib
import io
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from PIL import Image

from server.jobs import names
from tests import server_process
from tests.conftest import StartServer
from tests.edge import gated
from tests.edge.busy import busy_lane
from tests.edge.forms import end_of, upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, files_of, redis_of
from tests.edge.tus_requests import (
    OFFSET_STREAM,
    VERSION,
    begun,
    create,
    metadata,
    offset_of,
    patch,
    send,
)
from tests.edge.wire import Wire, head, wire
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

MIB = 1024 * 1024
PICTURE = jpeg(320, 240)
LENGTH = len(PICTURE)
MOST_UNFINISHED = 4
LARGEST = 4 * MIB
# Longer than what the server holds in memory before it writes.
LONG = jpeg(2000, 1500)
assert MIB + 100_000 < len(LONG) < LARGEST
SMALL = '{"resize":{"width":64}}'


@pytest.fixture(scope="module")
def tus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Takes small uploads, and few of them."""
    server = server_process.start(
        tmp_path_factory.mktemp("tus-server") / "data",
        environment={
            "SAFELIGHT_UPLOAD__MAX_UPLOAD_BYTES": str(LARGEST),
            "SAFELIGHT_TUS__MAX_PER_CLIENT": str(MOST_UNFINISHED),
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def client(tus_server: ServerProcess) -> AsyncIterator[ClientSession]:
    async with ClientSession(tus_server.url) as session:
        yield session


@pytest.fixture(autouse=True)
def leaves_no_upload(tus_server: ServerProcess) -> Iterator[None]:
    """A test that begins an upload finishes or removes it, or the server must have."""
    yield
    assert unfinished(tus_server) == set()


def unfinished(server: ServerProcess) -> set[str]:
    """Files of uploads that are neither finished nor removed."""
    own = ("spool/tus/", "spool/incoming/")
    return {one for one in files_of(server) if one.startswith(own) and "/finished/" not in one}


async def remove(client: ClientSession, path: str) -> None:
    assert (await send(client, "DELETE", path)).status == 204


async def test_options_tells_what_the_server_can_do(client: ClientSession) -> None:
    async with client.options("/files") as response:
        assert response.status == 204

    assert response.headers["Tus-Version"] == "1.0.0"
    assert response.headers["Tus-Max-Size"] == str(LARGEST)
    assert response.headers["Tus-Extension"].split(",") == [
        *("creation", "creation-with-upload", "expiration", "checksum", "termination")
    ]
    assert response.headers["Tus-Checksum-Algorithm"].split(",") == ["sha1", "sha256", "md5"]


async def test_a_picture_in_three_pieces_becomes_a_job(
    client: ClientSession, tus_server: ServerProcess
) -> None:
    options = '{"format":"png","resize":{"width":100}}'
    path = await begun(client, LENGTH, filename="a b/ü.jpg", options=options)
    third = LENGTH // 3
    for begin, end in ((0, third), (third, 2 * third), (2 * third, LENGTH)):
        assert await offset_of(client, path) == begin
        answer = await patch(client, path, begin, PICTURE[begin:end])
        assert answer.status == 204
        assert answer.headers["Upload-Offset"] == str(end)

    job_id = answer.headers["Safelight-Job-Id"]
    assert answer.headers["Safelight-Status-Url"] == f"/status/{job_id}"
    status = await end_of(client, job_id)
    assert (status["status"], status["name"]) == ("completed", "ü.jpg")
    async with client.get(status["url"]) as response:
        with Image.open(io.BytesIO(await response.read())) as image:
            assert (image.format, image.size) == ("PNG", (100, 75))
    assert unfinished(tus_server) == set()


async def test_head_tells_offset_length_metadata_and_expiry(client: ClientSession) -> None:
    path = await begun(client, LENGTH, filename="a.jpg", filetype="image/jpeg")
    await patch(client, path, 0, PICTURE[:10])
    response = await send(client, "HEAD", path)

    assert response.status == 200
    assert response.headers["Upload-Offset"] == "10"
    assert response.headers["Upload-Length"] == str(LENGTH)
    assert response.headers["Upload-Metadata"] == metadata(filename="a.jpg", filetype="image/jpeg")
    assert response.headers["Cache-Control"] == "no-store"
    assert parsedate_to_datetime(response.headers["Upload-Expires"]).tzname() == "UTC"
    await remove(client, path)


async def test_a_finished_upload_still_tells_its_offset_and_its_job(client: ClientSession) -> None:
    created = await create(client, LENGTH, begin=PICTURE, filename="a.jpg")
    path, job_id = created.headers["Location"], created.headers["Safelight-Job-Id"]
    response = await send(client, "HEAD", path)

    assert created.status == 201
    assert created.headers["Upload-Offset"] == str(LENGTH)
    assert response.status == 200
    assert response.headers["Upload-Offset"] == response.headers["Upload-Length"] == str(LENGTH)
    assert response.headers["Upload-Metadata"] == metadata(filename="a.jpg")
    assert response.headers["Safelight-Job-Id"] == job_id


async def test_a_last_piece_sent_twice_makes_one_job(client: ClientSession) -> None:
    path = await begun(client, LENGTH)
    await patch(client, path, 0, PICTURE[:100])
    first = await patch(client, path, 100, PICTURE[100:])
    again = await patch(client, path, 100, PICTURE[100:])
    nothing_more = await patch(client, path, LENGTH, b"")

    assert (first.status, again.status, nothing_more.status) == (204, 409, 204)
    jobs = {one.headers["Safelight-Job-Id"] for one in (first, again, nothing_more)}
    assert len(jobs) == 1
    assert again.headers["Upload-Offset"] == str(LENGTH)


async def test_creation_may_bring_the_first_bytes(client: ClientSession) -> None:
    created = await create(client, LENGTH, begin=PICTURE[:50])

    assert created.status == 201
    assert created.headers["Upload-Offset"] == "50"
    assert "Upload-Expires" in created.headers
    assert await offset_of(client, created.headers["Location"]) == 50
    await remove(client, created.headers["Location"])


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.1", ""])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
async def test_another_version_of_tus_is_refused(
    client: ClientSession, method: str, version: str | None
) -> None:
    path = "/files" if method == "POST" else "/files/any"
    headers = {"Upload-Length": "9", "Upload-Offset": "0"} | OFFSET_STREAM
    if version is not None:
        headers["Tus-Resumable"] = version
    async with client.request(method, path, headers=headers) as response:
        assert response.status == 412
        assert response.headers["Tus-Version"] == "1.0.0"
        if method != "HEAD":
            assert (await problem(response))["code"] == "tus_version"


@pytest.mark.parametrize("path", ["/files/none", "/files/" + "a" * 24, "/files/..%2f..%2fnode"])
async def test_an_unknown_upload_is_not_found(client: ClientSession, path: str) -> None:
    for method in ("HEAD", "PATCH", "DELETE"):
        response = await send(client, method, path, headers=OFFSET_STREAM | {"Upload-Offset": "0"})
        assert response.status == 404
        assert "Upload-Offset" not in response.headers
        assert response.headers["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize("value", [None, "", "-1", "1.5", "ten", "0x10", "9" * 16, "1,1"])
async def test_an_upload_needs_a_length(client: ClientSession, value: str | None) -> None:
    headers = {} if value is None else {"Upload-Length": value}
    async with client.post("/files", headers=VERSION | headers) as response:
        assert response.status == 400
        assert "Upload-Length" in (await problem(response))["detail"]


async def test_an_upload_of_no_bytes_is_refused(client: ClientSession) -> None:
    assert (await create(client, 0)).status == 400


async def test_more_than_the_largest_upload_is_refused(client: ClientSession) -> None:
    async with client.post(
        "/files", headers=VERSION | {"Upload-Length": str(LARGEST + 1)}
    ) as response:
        found = await problem(response)

    assert (found["code"], found["limit"], found["actual"]) == ("too_large", LARGEST, LARGEST + 1)
    assert response.status == 413


@pytest.mark.parametrize(
    ("header", "value"), [("Upload-Concat", "partial"), ("Upload-Defer-Length", "1")]
)
async def test_extensions_that_are_not_offered_are_refused(
    client: ClientSession, header: str, value: str
) -> None:
    headers = {"Upload-Length": "10", header: value}
    async with client.post("/files", headers=VERSION | headers) as response:
        assert response.status == 400
        assert header in (await problem(response))["detail"]


@pytest.mark.parametrize(
    "header",
    [
        "filename !!!",
        "filename YQ==,filename Yg==",
        "filename /w==",
        " ,",
        ",",
        "a,b",
        "filenaem YQ==",
        "file\tname YQ==",
    ],
)
async def test_bad_metadata_is_refused(client: ClientSession, header: str) -> None:
    headers = {"Upload-Length": "10", "Upload-Metadata": header}
    async with client.post("/files", headers=VERSION | headers) as response:
        assert response.status == 400
        assert "Upload-Metadata" in (await problem(response))["detail"]


async def test_metadata_that_other_clients_send_is_taken(client: ClientSession) -> None:
    path = await begun(
        client, LENGTH, name="a.jpg", type="image/jpeg", relativePath="", filename="", filetype=""
    )

    await remove(client, path)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"options": '{"resize":{"width":-1}}'}, 422),
        ({"options": "{"}, 422),
        ({"preset": "none such"}, 422),
        ({"options": "{}", "preset": "thumb"}, 422),
        ({"options": '{"watermark":{"asset":"none"}}'}, 422),
        ({"private": "perhaps"}, 400),
        ({"expiresIn": "soon"}, 400),
    ],
)
async def test_a_wrong_wish_is_refused_before_any_byte(
    client: ClientSession, fields: dict[str, str], status: int
) -> None:
    assert (await create(client, LENGTH, **fields)).status == status


async def test_a_body_of_another_kind_is_refused(client: ClientSession) -> None:
    path = await begun(client, LENGTH)
    headers = {"Content-Type": "image/jpeg", "Upload-Offset": "0", "Upload-Length": "10"}
    for method, target in (("PATCH", path), ("POST", "/files")):
        assert (await send(client, method, target, PICTURE[:10], headers)).status == 415

    assert await offset_of(client, path) == 0
    await remove(client, path)


@pytest.mark.parametrize("offset", [1, 9, 11, LENGTH])
async def test_a_wrong_offset_changes_nothing(client: ClientSession, offset: int) -> None:
    path = await begun(client, LENGTH)
    await patch(client, path, 0, PICTURE[:10])
    answer = await patch(client, path, offset, b"wrong")

    assert answer.status == 409
    assert answer.headers["Upload-Offset"] == "10"
    assert await offset_of(client, path) == 10
    await remove(client, path)


@pytest.mark.parametrize("value", ["", "-1", "one", "1e3"])
async def test_an_offset_must_be_a_number(client: ClientSession, value: str) -> None:
    path = await begun(client, LENGTH)
    answer = await patch(client, path, 0, b"x", Upload_Offset=value)

    assert answer.status == 400
    await remove(client, path)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_more_bytes_than_announced_are_refused_and_none_is_kept(
    client: ClientSession, is_chunked: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield PICTURE[:500]
        yield PICTURE[500:1001]

    path = await begun(client, 1000)
    headers = VERSION | OFFSET_STREAM | {"Upload-Offset": "0"}
    body = pieces() if is_chunked else PICTURE[:1001]
    async with client.patch(path, data=body, headers=headers) as response:
        assert response.status == 413

    assert await offset_of(client, path) == 0
    await remove(client, path)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_a_checksum_decides_what_counts(client: ClientSession, algorithm: str) -> None:
    path = await begun(client, LENGTH)
    right = _checksum(algorithm, PICTURE[:100])
    wrong = await patch(client, path, 0, PICTURE[100:200], Upload_Checksum=right)
    offset_after_wrong = await offset_of(client, path)
    good = await patch(client, path, 0, PICTURE[:100], Upload_Checksum=right)

    assert wrong.status == 460
    assert offset_after_wrong == 0
    assert (good.status, good.headers["Upload-Offset"]) == (204, "100")
    rest = _checksum(algorithm, PICTURE[100:])
    last = await patch(client, path, 100, PICTURE[100:], Upload_Checksum=rest)
    assert "Safelight-Job-Id" in last.headers


@pytest.mark.parametrize(
    "checksum", ["", "sha1", "sha1 !", "sha512 " + "A" * 88, "sha1 YQ==", "crc32 AAAAAA=="]
)
async def test_a_checksum_that_is_none_is_refused(client: ClientSession, checksum: str) -> None:
    path = await begun(client, LENGTH)
    answer = await patch(client, path, 0, PICTURE[:100], Upload_Checksum=checksum)

    assert answer.status == 400
    assert await offset_of(client, path) == 0
    await remove(client, path)


async def test_a_creation_whose_bytes_are_wrong_leaves_nothing(client: ClientSession) -> None:
    headers = {"Upload-Length": "10", "Upload-Checksum": _checksum("md5", b"0123456789")}
    answer = await send(client, "POST", "/files", b"9876543210", OFFSET_STREAM | headers)

    assert answer.status == 460
    assert "Location" not in answer.headers


async def test_a_removed_upload_is_gone(client: ClientSession) -> None:
    path = await begun(client, LENGTH)
    await patch(client, path, 0, PICTURE[:10])
    await remove(client, path)

    assert (await send(client, "HEAD", path)).status == 404
    assert (await patch(client, path, 10, PICTURE[10:])).status == 404


async def test_a_finished_upload_is_not_removed_but_its_job(client: ClientSession) -> None:
    created = await create(client, LENGTH, begin=PICTURE)
    async with client.delete(created.headers["Location"], headers=VERSION) as response:
        assert response.status == 409
        assert (await problem(response))["code"] == "upload_finished"


@pytest.mark.parametrize(("method", "status"), [("PATCH", 204), ("HEAD", 200), ("DELETE", 204)])
async def test_a_method_may_stand_in_a_header(
    client: ClientSession, method: str, status: int
) -> None:
    path = await begun(client, LENGTH)
    headers = {"X-HTTP-Method-Override": method, "Upload-Offset": "0"} | OFFSET_STREAM
    answer = await send(client, "POST", path, PICTURE[:10], headers)

    assert answer.status == status
    if method != "DELETE":
        await remove(client, path)


async def test_what_needs_no_key_does_not_become_what_does(client: ClientSession) -> None:
    path = await begun(client, LENGTH)
    answer = await send(client, "OPTIONS", path, headers={"X-HTTP-Method-Override": "DELETE"})

    assert (answer.status, answer.headers["Tus-Version"]) == (204, "1.0.0")
    assert await offset_of(client, path) == 0
    await remove(client, path)


async def test_other_methods_are_not_allowed(client: ClientSession) -> None:
    for method, path, headers in (
        ("GET", "/files/any", {}),
        ("PUT", "/files/any", {}),
        ("POST", "/files/any", {}),
        ("POST", "/files", {"X-HTTP-Method-Override": "PATCH"}),
    ):
        assert (await send(client, method, path, headers=headers)).status == 405


async def test_what_is_no_picture_is_refused_at_its_end_and_removed(client: ClientSession) -> None:
    text = b"no picture at all" * 100
    path = await begun(client, len(text))
    await patch(client, path, 0, text[:100])
    headers = VERSION | OFFSET_STREAM | {"Upload-Offset": "100"}
    async with client.patch(path, data=text[100:], headers=headers) as response:
        assert response.status == 415
        assert (await problem(response))["code"] == "not_an_image"

    assert (await send(client, "HEAD", path)).status == 404


async def test_a_client_may_have_so_many_unfinished_uploads(client: ClientSession) -> None:
    paths = [await begun(client, LENGTH) for _ in range(MOST_UNFINISHED)]
    async with client.post("/files", headers=VERSION | {"Upload-Length": "10"}) as response:
        found = await problem(response)

    assert response.status == 429
    assert (found["code"], found["limit"]) == ("too_many_unfinished", MOST_UNFINISHED)
    assert int(response.headers["Retry-After"]) > 0
    for path in paths:
        await remove(client, path)


async def test_a_newer_request_takes_over_from_one_that_stands_still(
    client: ClientSession, tus_server: ServerProcess
) -> None:
    path = await begun(client, len(LONG), options=SMALL)
    async with wire(tus_server.url) as dead:
        sent = await _send_part(dead, tus_server, path)
        offset = await offset_of(client, path)
        interrupted = await dead.answer()

    assert MIB <= offset <= sent
    assert interrupted.problem()["code"] == "upload_interrupted"
    answer = await patch(client, path, offset, LONG[offset:])
    assert "Safelight-Job-Id" in answer.headers


async def test_a_cut_keeps_what_came(client: ClientSession, tus_server: ServerProcess) -> None:
    path = await begun(client, len(LONG), options=SMALL)
    async with wire(tus_server.url) as connection:
        sent = await _send_part(connection, tus_server, path)
        connection.cut()

    offset = await offset_of(client, path)
    assert MIB <= offset <= sent
    answer = await patch(client, path, offset, LONG[offset:])
    status = await end_of(client, answer.headers["Safelight-Job-Id"])
    assert (status["status"], status["original"]["bytes"]) == ("completed", len(LONG))


async def test_a_cut_with_a_checksum_keeps_nothing(
    client: ClientSession, tus_server: ServerProcess
) -> None:
    path = await begun(client, LENGTH)
    lines = ["Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream"]
    checksum = f"Upload-Checksum: {_checksum('sha1', PICTURE)}"
    async with wire(tus_server.url) as connection:
        await connection.send(
            head("PATCH", path, *lines, "Upload-Offset: 0", f"Content-Length: {LENGTH}", checksum),
            PICTURE[:1500],
        )
        connection.cut()

    assert await offset_of(client, path) == 0
    await remove(client, path)


async def test_a_creation_that_is_cut_leaves_nothing(tus_server: ServerProcess) -> None:
    lines = ["Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream"]
    async with wire(tus_server.url) as connection:
        await connection.send(
            head("POST", "/files", *lines, "Upload-Length: 5000", "Content-Length: 5000"),
            PICTURE[:1500],
        )
        await eventually(lambda: unfinished(tus_server) != set())
        connection.cut()
    await eventually(lambda: unfinished(tus_server) == set())


async def test_requests_at_the_same_moment_count_once(client: ClientSession) -> None:
    path = await begun(client, LENGTH)
    answers = await asyncio.gather(*(patch(client, path, 0, PICTURE) for _ in range(8)))

    statuses = sorted(answer.status for answer in answers)
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 400, 409, 423}
    jobs = {answer.headers.get("Safelight-Job-Id") for answer in answers} - {None}
    assert len(jobs) == 1


async def test_a_full_queue_keeps_the_upload_until_there_is_room(
    start_server: StartServer,
) -> None:
    server = start_server(SAFELIGHT_POOL__MAX_LANES="1", SAFELIGHT_QUEUE__MAX_DEPTH="1")
    async with ClientSession(server.url) as client, busy_lane(client, server):
        path = await begun(client, LENGTH)
        waiting = await upload(client, jpeg(8, 8), at_once=True)
        full = await patch(client, path, 0, PICTURE)
        still_full = await send(client, "HEAD", path)
        async with client.delete(f"/job/{waiting['jobId']}") as response:
            assert response.status == 200
        freed = await send(client, "HEAD", path)

    assert (full.status, still_full.status, freed.status) == (429, 429, 200)
    assert int(full.headers["Retry-After"]) >= 1
    assert freed.headers["Upload-Offset"] == str(LENGTH)
    assert "Safelight-Job-Id" in freed.headers


async def test_an_upload_that_would_fill_the_disk_is_refused_at_once(
    start_server: StartServer,
) -> None:
    server = start_server(SAFELIGHT_STORAGE__MIN_FREE_BYTES=str(10**15))
    async with ClientSession(server.url) as client:
        answer = await create(client, LENGTH)

    assert answer.status == 507
    assert unfinished(server) == set()


async def test_an_abandoned_upload_expires_and_a_start_removes_it(
    start_server: StartServer,
) -> None:
    server = start_server(SAFELIGHT_TUS__EXPIRE_S="1")
    async with ClientSession(server.url) as client:
        path = await begun(client, LENGTH)
        async with asyncio.timeout(PATIENCE_S):
            while (await send(client, "HEAD", path)).status == 200:  # noqa: ASYNC110 (time passes)
                await asyncio.sleep(0.05)
        assert (await send(client, "HEAD", path)).status == 410
        assert (await patch(client, path, 0, PICTURE)).status == 410
    server.stop()
    again = start_server(data_dir=server.data_dir)

    assert unfinished(again) == set()


async def test_what_a_key_has_begun_is_its_own(start_server: StartServer) -> None:
    server = start_server(**gated.settings())
    expected = {"ci": 200, "boss": 200, "other": 404, "reader": 403}
    async with ClientSession(server.url) as client:
        begin = gated.bearer("ci") | {"Upload-Length": str(LENGTH)}
        path = (await send(client, "POST", "/files", headers=begin)).headers["Location"]
        unfinished_to = {
            name: (await send(client, "HEAD", path, headers=gated.bearer(name))).status
            for name in expected
        }
        finish = gated.bearer("ci") | OFFSET_STREAM | {"Upload-Offset": "0"}
        assert (await send(client, "PATCH", path, PICTURE, finish)).status == 204
        finished_to = {
            name: (await send(client, "HEAD", path, headers=gated.bearer(name))).status
            for name in expected
        }

    assert unfinished_to == finished_to == expected


async def test_private_and_expires_in_reach_the_job(
    client: ClientSession, tus_server: ServerProcess
) -> None:
    created = await create(client, LENGTH, begin=PICTURE, private="true", expiresIn="3600")
    job_id = created.headers["Safelight-Job-Id"]
    job = await end_of(client, job_id)
    with redis_of(tus_server) as redis:
        keep_ms = redis.hget(names.job(job_id), "expires")

    assert (job["status"], job["private"], keep_ms) == ("completed", True, "3600000")


def _checksum(algorithm: str, content: bytes) -> str:
    return f"{algorithm} {b64encode(hashlib.new(algorithm, content).digest()).decode()}"


async def _send_part(connection: Wire, server: ServerProcess, path: str) -> int:
    """Begin a PATCH of all of LONG, wait until some of it is in the file; returns bytes sent."""
    lines = ["Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream"]
    length = f"Content-Length: {len(LONG)}"
    sent = MIB + 100_000
    await connection.send(head("PATCH", path, *lines, "Upload-Offset: 0", length), LONG[:sent])
    data = server.data_dir / "spool" / "tus" / path.rsplit("/", 1)[-1]
    await eventually(lambda: data.stat().st_size >= MIB)
    return sent
