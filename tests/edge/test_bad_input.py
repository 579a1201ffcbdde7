"""Whatever is sent: a clear, stable problem, and nothing of it is left behind."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import ClientSession, FormData

from tests.edge.conftest import MIB
from tests.edge.forms import end_of, form
from tests.edge.pictures import announced_png, jpeg, png
from tests.edge.problem import problem
from tests.edge.traces import eventually, files_of, is_idle
from tests.edge.wire import (
    BOUNDARY,
    MULTIPART,
    Answer,
    Wire,
    chunk,
    exchange,
    head,
    multipart,
    part,
    post,
    wire,
)
from tests.server_process import ServerProcess

GIB = 1024 * MIB
JPEG = jpeg()
PNG = png()
UNKNOWN = "a" * 24
OPTIONS = {"name": "options", "more": ""}


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        pytest.param(form(("a.jpg", b"")), 400, "empty_body", id="empty file"),
        pytest.param(form(options="{}"), 400, "no_file", id="no file"),
        pytest.param(form(("a.jpg", b"Dear all, ...")), 415, "not_an_image", id="text"),
        pytest.param(form(("a.jpg", b"%PDF-1.7 ...")), 415, "unsupported_format", id="pdf"),
        pytest.param(form(("a.svg", b"<svg/>")), 415, "unsupported_format", id="svg"),
        pytest.param(form(("a.png", PNG[:20])), 422, "corrupt_image", id="cut in its header"),
        pytest.param(form(("a", b""), ("b", b"text")), 400, "empty_body", id="all of several bad"),
        pytest.param(form(("a.jpg", JPEG), preset="nope"), 422, "bad_options", id="no such preset"),
        pytest.param(
            form(("a.jpg", JPEG), preset="thumb", options="{}"), 422, "bad_options", id="both"
        ),
        pytest.param(form(("a.jpg", JPEG), colour="red"), 400, "bad_request", id="unknown field"),
        pytest.param(form(("a.jpg", JPEG), options='{"a'), 422, "bad_options", id="not JSON"),
        pytest.param(form(("a.jpg", JPEG), options="[" * 5000), 422, "bad_options", id="deep"),
        pytest.param(
            form(("a.jpg", JPEG), options='{"crop":{"x":60,"y":0,"width":9,"height":9}}'),
            *(422, "crop_outside"),
            id="crop outside",
        ),
    ],
)
async def test_a_form_that_cannot_be_taken_is_refused(
    leaves_nothing: ServerProcess, small: ClientSession, data: FormData, status: int, code: str
) -> None:
    async with small.post("/upload", data=data) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (status, code)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ('{"colour":"red"}', "colour: expected one of "),
        ('{"resize":{"widht":10}}', "resize.widht: expected one of width, height"),
        ('{"resize":{"width":"800"}}', "resize.width: expected an integer from 1 to 65500"),
        ('{"resize":{"width":0}}', "resize.width: "),
        ('{"resize":{"width":1.5}}', "resize.width: "),
        ('{"resize":{"width":true}}', "resize.width: "),
        ('{"resize":{"width":1e400}}', "options: "),
        ('{"resize":[]}', "resize: expected an object"),
        ('{"quality":101}', "quality: "),
        ('{"quality":null,"format":"bmp"}', "format: expected one of auto"),
        ('{"background":"red"}', "background: "),
        ('{"flip":1}', "flip: expected true or false"),
        ('{"rotate":{"angle":"x"}}', "rotate.angle: "),
        ('{"variants":{}}', "variants: expected a list"),
        ('{"variants":[{"name":"../x"}]}', "variants[0].name: "),
        ('{"variants":[{"name":"a"},{"name":"a"}]}', "variants: "),
        ("[]", "expected an object"),
        ('"{}"', "expected an object"),
        ("null", "expected an object"),
        ('{"a\\ud800":1}', "options: "),
    ],
)
async def test_wrong_options_are_refused_by_the_path_of_what_is_wrong(
    leaves_nothing: ServerProcess, small: ClientSession, options: str, told: str
) -> None:
    async with small.post("/upload", data=form(("a.jpg", JPEG), options=options)) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (422, "bad_options")
    assert told in found["detail"]


@pytest.mark.parametrize(
    ("data", "limit", "actual"),
    [
        (form(("a.jpg", JPEG), options=" " * 65_537), 65_536, 65_537),
        (form(("a.jpg", JPEG + bytes(MIB))), MIB, None),
        (form(("a.jpg", bytes(MIB // 2)), ("b.jpg", JPEG + bytes(MIB))), MIB, None),
        (form(*[("a.jpg", bytes(MIB - 1))] * 5), 4 * MIB, None),
    ],
    ids=["options", "a file", "the second file", "all of it"],
)
async def test_more_bytes_than_allowed_are_refused_with_the_limit(
    leaves_nothing: ServerProcess,
    small: ClientSession,
    data: FormData,
    limit: int,
    actual: int | None,
) -> None:
    async with small.post("/upload", data=data) as response:
        found = await problem(response)

    assert (found["status"], found["code"], found["limit"]) == (413, "too_large", limit)
    assert found["actual"] > limit if actual is None else found["actual"] <= actual + 200_000


async def test_an_empty_raw_body_is_refused(
    leaves_nothing: ServerProcess, small: ClientSession
) -> None:
    async with small.post("/upload", headers={"Content-Type": "image/jpeg"}) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (400, "empty_body")


async def test_a_picture_of_too_many_pixels_is_refused_by_its_header(
    leaves_nothing: ServerProcess, small: ClientSession
) -> None:
    content = announced_png(65_000, 65_000)
    async with small.post("/upload", data=form(("a.png", content))) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (422, "too_many_pixels")
    assert (found["limit"], found["actual"]) == (150_000_000, 65_000 * 65_000)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jpg", jpeg(400, 300)[:-9000]), ("a.png", png(100, 100)[:-9000])],
    ids=["jpeg", "png"],
)
async def test_a_picture_cut_in_its_pixels_is_damaged_and_not_kept(
    small_server: ServerProcess, small: ClientSession, name: str, content: bytes
) -> None:
    await eventually(lambda: is_idle(small_server))
    before = files_of(small_server)
    async with small.post("/upload", data=form((name, content))) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (422, "corrupt_image")
    await eventually(lambda: files_of(small_server) == before)
    async with small.get(f"/status/{found['jobId']}") as response:
        job = await response.json()
    assert (job["status"], job["error"]["code"]) == ("failed", "corrupt_image")
    async with small.get(f"/image/{found['jobId']}") as response:
        assert (await problem(response))["status"] == 409


@pytest.mark.parametrize("kind", ["Content-Type: image/jpeg", MULTIPART], ids=["raw", "multipart"])
@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)], ids=["plain", "expect"])
async def test_a_declared_gigabyte_is_refused_before_any_of_it_is_sent(
    leaves_nothing: ServerProcess, kind: str, expect: tuple[str, ...]
) -> None:
    async with wire(leaves_nothing.url) as connection:
        await connection.send(head("POST", "/upload", kind, f"Content-Length: {GIB}", *expect))
        answer = await connection.answer()  # not one byte of the body has left

        found = answer.problem()
        assert (found["status"], found["code"], found["actual"]) == (413, "too_large", GIB)
        assert found["limit"] in (MIB, 4 * MIB)
        assert answer.headers["Connection"] == "close"


async def test_a_body_that_is_welcome_is_asked_for(small_server: ServerProcess) -> None:
    async with wire(small_server.url) as connection:
        request = post(JPEG, "Content-Type: image/jpeg", "Expect: 100-continue")
        await connection.send(request.removesuffix(JPEG))
        invitation = await connection.answer()
        await connection.send(JPEG)
        answer = await connection.answer()

    assert (invitation.status, answer.status) == (100, 200)


@pytest.mark.parametrize(
    ("kind", "start", "limit"),
    [
        ("Content-Type: image/jpeg", JPEG, MIB),
        (MULTIPART, f"--{BOUNDARY}\r\n".encode() + part(JPEG), MIB),
        (MULTIPART, multipart([part(JPEG + bytes(MIB // 2))] * 7)[:-12], 4 * MIB),
    ],
    ids=["raw", "one part", "many parts"],
)
async def test_a_body_of_unknown_length_is_cut_off_at_the_limit(
    leaves_nothing: ServerProcess, kind: str, start: bytes, limit: int
) -> None:
    async with wire(leaves_nothing.url) as connection:
        await connection.send(head("POST", "/upload", kind, "Transfer-Encoding: chunked"))
        await connection.send(chunk(start))
        sending = asyncio.create_task(_send_for_ever(connection))
        answer = await connection.answer()
        sending.cancel()

    found = answer.problem()
    assert (found["status"], found["code"], found["limit"]) == (413, "too_large", limit)
    assert limit < found["actual"] < limit + MIB


async def _send_for_ever(connection: Wire) -> None:
    while True:
        await connection.send(chunk(bytes(64 * 1024)))


async def test_a_small_body_that_unpacks_to_a_large_one_is_cut_off(
    leaves_nothing: ServerProcess, small: ClientSession
) -> None:
    headers = {"Content-Type": "image/jpeg", "Content-Encoding": "gzip"}
    packed = gzip.compress(bytes(40 * MIB))
    async with small.post("/upload", data=packed, headers=headers) as response:
        found = await problem(response)

    assert (found["status"], found["code"], found["limit"]) == (413, "too_large", MIB)


@pytest.mark.parametrize(
    ("kind", "length", "start"),
    [
        ("Content-Type: image/jpeg", "Transfer-Encoding: chunked", chunk(JPEG.ljust(MIB, b"."))),
        (
            MULTIPART,
            "Content-Length: 1000000",
            multipart([part(PNG), part(jpeg(640, 480))])[:-600],
        ),
    ],
    ids=["raw", "multipart"],
)
async def test_a_connection_cut_in_the_middle_leaves_nothing(
    leaves_nothing: ServerProcess, kind: str, length: str, start: bytes
) -> None:
    before = files_of(leaves_nothing)
    async with wire(leaves_nothing.url) as connection:
        await connection.send(head("POST", "/upload", kind, length), start)
        await eventually(lambda: files_of(leaves_nothing) != before)
        connection.cut()
        await eventually(lambda: files_of(leaves_nothing) == before)


STALLS = {
    "raw": ("Content-Type: image/jpeg", b"abc"),
    "raw without a byte": ("Content-Type: image/jpeg", b""),
    "file": (MULTIPART, f"--{BOUNDARY}\r\n".encode() + part(JPEG)),
    "second file": (MULTIPART, multipart([part(JPEG), part(JPEG)])[:-100]),
    "options": (MULTIPART, f"--{BOUNDARY}\r\n".encode() + part(b"{", **OPTIONS)),
    "before the first part": (MULTIPART, b""),
    "head of a part": (MULTIPART, f"--{BOUNDARY}\r\nContent-Dispo".encode()),
    "after a part": (MULTIPART, multipart([part(JPEG)])[:-4]),
}


async def test_an_upload_that_stands_still_is_given_up_wherever_it_stands(
    leaves_nothing: ServerProcess,
) -> None:
    stalled = {name: _stall(leaves_nothing.url, *each) for name, each in STALLS.items()}
    answers = dict(zip(stalled, await asyncio.gather(*stalled.values()), strict=True))

    found = {name: answer.problem() for name, answer in answers.items()}
    assert {name: (one["status"], one["code"]) for name, one in found.items()} == dict.fromkeys(
        STALLS, (408, "upload_too_slow")
    )


async def _stall(url: str, kind: str, start: bytes) -> Answer:
    async with wire(url) as connection:
        await connection.send(head("POST", "/upload", kind, "Content-Length: 100000"), start)
        return await connection.answer()


NESTED = multipart([part(JPEG)], boundary="inner")
NESTED_HEAD = b"Content-Type: multipart/mixed; boundary=inner\r\n"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MULTIPART, multipart([NESTED_HEAD + part(NESTED)])),
        (MULTIPART, multipart([b"Content-Type: multipart/mixed\r\n" + part(NESTED)])),
        (MULTIPART, multipart([part(JPEG)], boundary="other")),
        (MULTIPART, multipart([part(JPEG)])[:-6]),
        (MULTIPART, multipart([part(JPEG)])[:-12]),
        (MULTIPART, multipart([part(JPEG)])[:-300]),
        (MULTIPART, b""),
        ("Content-Type: multipart/form-data", multipart([part(JPEG)])),
        (f"{MULTIPART}{'x' * 80}", multipart([part(JPEG)])),
        ('Content-Type: multipart/form-data; boundary="\udcff"', multipart([part(JPEG)])),
        (MULTIPART, multipart([b"no colon\r\n" + part(JPEG)])),
        (MULTIPART, multipart([b"X: " + b"y" * 20_000 + b"\r\n" + part(JPEG)])),
        (MULTIPART, multipart([b"X: y\r\n" * 300 + part(JPEG)])),
        (MULTIPART, b"before\r\n" * 100_000 + multipart([part(JPEG)])),
        (MULTIPART, multipart([part(JPEG, more='; filename="a\0.jpg"')])),
        (MULTIPART, multipart([part(b"x" * 99, name="_charset_", more=""), part(JPEG)])),
        (MULTIPART, multipart([b"\r\nwithout a name"])),
        (MULTIPART, multipart([part(b"x", name="\udcff"), part(JPEG)])),
        (MULTIPART, multipart([part(b"x", name="y" * 5000), part(JPEG)])),
        (MULTIPART, multipart([part(b"\xff", **OPTIONS), part(JPEG)])),
        (MULTIPART, multipart([part(b"{}", **OPTIONS), part(b"{}", **OPTIONS), part(JPEG)])),
    ],
    ids=[
        *("nested", "nested without boundary", "other boundary", "cut in the last line"),
        *("last line missing", "cut in the file", "nothing", "no boundary", "long boundary"),
        *("boundary of bytes", "bad head", "long line", "many lines", "long preamble"),
        *("NUL in head", "long charset", "no name", "name of bytes", "long name"),
        *("options not UTF-8", "options twice"),
    ],
)
async def test_a_body_that_is_not_multipart_is_refused(
    leaves_nothing: ServerProcess, kind: str, body: bytes
) -> None:
    line = kind.encode(errors="surrogateescape")
    found = (await exchange(leaves_nothing.url, post(body, line))).problem()

    assert (found["status"], found["code"]) == (400, "bad_request")


async def test_a_body_that_is_not_packed_as_it_says_is_refused(
    leaves_nothing: ServerProcess,
) -> None:
    lines = ("Content-Type: image/jpeg", "Content-Encoding: gzip")
    found = (await exchange(leaves_nothing.url, post(JPEG, *lines))).problem()

    assert (found["status"], found["code"]) == (400, "bad_request")


async def test_a_body_whose_chunks_are_broken_ends_as_a_stall(
    leaves_nothing: ServerProcess,
) -> None:
    lines = ("Content-Type: image/jpeg", "Transfer-Encoding: chunked")
    async with wire(leaves_nothing.url) as connection:
        await connection.send(head("POST", "/upload", *lines), chunk(JPEG.ljust(MIB, b".")))
        await eventually(lambda: not is_idle(leaves_nothing))
        await connection.send(b"nonsense\r\n")  # the HTTP parser tells only the next request
        answer = await connection.answer()

    assert answer.problem()["code"] == "upload_too_slow"


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ("Content-Type: text/plain", 415, "unsupported_media_type"),
        ("Content-Type: application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ("Content-Type: multipart/mixed; boundary=hands", 415, "unsupported_media_type"),
        ("Content-Type: nonsense", 415, "unsupported_media_type"),
        (b"Content-Type: text/\xff", 415, "unsupported_media_type"),
        ("Content-Type: image/jpeg\r\nPrefer: wait=soon", 400, "bad_request"),
        (b"Content-Type: image/jpeg\r\nPrefer: wait=\xff", 400, "bad_request"),
    ],
)
async def test_headers_that_cannot_be_followed_are_refused(
    leaves_nothing: ServerProcess, line: str | bytes, status: int, code: str
) -> None:
    found = (await exchange(leaves_nothing.url, post(JPEG, line))).problem()

    assert (found["status"], found["code"]) == (status, code)


@pytest.mark.parametrize("query", ["optoins={}", "wait=3", "options={}&size=3"])
async def test_a_misspelled_query_is_not_ignored(
    leaves_nothing: ServerProcess, small: ClientSession, query: str
) -> None:
    headers = {"Content-Type": "image/jpeg"}
    async with small.post(f"/upload?{query}", data=JPEG, headers=headers) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/status/{UNKNOWN}"),
        ("GET", f"/status/batch-{UNKNOWN}"),
        ("GET", f"/status/{UNKNOWN}?wait=5"),
        ("GET", f"/job/{UNKNOWN}"),
        ("GET", f"/job/batch-{UNKNOWN}"),
        ("GET", f"/image/{UNKNOWN}"),
        ("GET", f"/image/batch-{UNKNOWN}"),
        ("GET", f"/image/{UNKNOWN}/default"),
        ("DELETE", f"/job/{UNKNOWN}"),
        ("DELETE", f"/job/batch-{UNKNOWN}"),
        ("POST", f"/job/{UNKNOWN}/retry"),
        ("POST", f"/job/batch-{UNKNOWN}/retry"),
        ("GET", "/status/%00"),
        ("GET", "/status/%ff"),
        ("GET", "/status/*"),
        ("GET", "/image/..%2f..%2fconfig.toml"),
        ("GET", f"/image/{UNKNOWN}/..%2f..%2fconfig.toml"),
        ("GET", "/nowhere"),
        ("POST", "/nowhere"),
        ("GET", "/web/nothing.js"),
        ("GET", "/web/%00.js"),
        ("GET", f"/web/{'a' * 300}.js"),
        ("GET", "/web/..%2fconfig.toml"),
        ("GET", "/web/%2e%2e/pyproject.toml"),
    ],
)
async def test_what_does_not_exist_is_not_found(
    leaves_nothing: ServerProcess, method: str, path: str
) -> None:
    found = (await exchange(leaves_nothing.url, head(method, path))).problem()

    assert (found["status"], found["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/upload", "POST"),
        ("PUT", "/upload", "POST"),
        ("POST", f"/status/{UNKNOWN}", "GET"),
        ("POST", f"/image/{UNKNOWN}", "GET"),
        ("GET", f"/job/{UNKNOWN}/retry", "POST"),
        ("PATCH", f"/job/{UNKNOWN}", "DELETE"),
    ],
)
async def test_a_wrong_method_is_told_the_right_one(
    leaves_nothing: ServerProcess, small: ClientSession, method: str, path: str, allowed: str
) -> None:
    async with small.request(method, path) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (405, "method_not_allowed")
    assert allowed in response.headers["Allow"]


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ('; filename="../../etc/passwd"', "passwd"),
        ('; filename="C:\\\\x\\\\y.jpg"', "y.jpg"),
        ("; filename*=UTF-8''..%2F..%2Fa%00b.jpg", "ab.jpg"),
        (f'; filename="{"n" * 5000}.jpg"', "n" * 255),
        ("; filename*=UTF-8''%E2%80%AEgpj.exe", "gpj.exe"),
        ('; filename=""', "picture"),
        ("", "picture"),
    ],
    ids=["path", "backslashes", "NUL", "long", "written backwards", "empty", "none"],
)
async def test_a_file_name_is_cleaned_and_only_for_people(
    small_server: ServerProcess, small: ClientSession, more: str, name: str
) -> None:
    await eventually(lambda: is_idle(small_server))
    before = files_of(small_server)
    request = post(multipart([part(jpeg(), more=more)]), MULTIPART)
    answer = await exchange(small_server.url, request)

    assert answer.status == 200
    job_id = orjson.loads(answer.body)["jobId"]
    await eventually(lambda: is_idle(small_server))
    assert files_of(small_server) - before == {
        f"originals/{job_id[:2]}/{job_id}",
        f"results/{job_id[:2]}/{job_id}/default.webp",
    }
    async with small.get(f"/status/{job_id}") as response:
        assert (await response.json())["name"] == name


async def test_two_hundred_files_at_once_become_one_batch(small: ClientSession) -> None:
    files = [(f"{number}.png", PNG) for number in range(200)]
    async with small.post("/upload", data=form(*files)) as response:
        batch = await response.json()

    assert response.status == 202
    assert [image["name"] for image in batch["images"]] == [name for name, _ in files]
    assert len({image["imageId"] for image in batch["images"]}) == 200
    assert batch["refused"] == []
    status = await end_of(small, batch["jobId"])
    assert status["counts"]["completed"] == 200


async def test_more_files_than_allowed_are_refused_all_together(
    leaves_nothing: ServerProcess, small: ClientSession
) -> None:
    files = [("a.png", PNG)] * 30 + [("b.txt", b"")] * 471
    async with small.post("/upload", data=form(*files)) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (413, "too_many_files")
    assert (found["limit"], found["actual"]) == (500, 501)


async def test_of_a_mixed_batch_the_good_ones_are_taken(
    small_server: ServerProcess, small: ClientSession
) -> None:
    await eventually(lambda: is_idle(small_server))
    before = files_of(small_server)
    files = [("1.jpg", jpeg()), ("2.jpg", b"text"), ("3.jpg", b""), ("4.png", png())]
    async with small.post("/upload", data=form(*files)) as response:
        batch = await response.json()

    assert response.status == 202
    assert [image["name"] for image in batch["images"]] == ["1.jpg", "4.png"]
    refused = {one["name"]: one["problem"] for one in batch["refused"]}
    assert refused["2.jpg"]["type"] == "/problems/not_an_image"
    assert refused["2.jpg"]["status"] == 415
    assert refused["3.jpg"]["type"] == "/problems/empty_body"
    status = await end_of(small, batch["jobId"])
    assert status["total"] == status["counts"]["completed"] == 2
    await eventually(lambda: is_idle(small_server))
    assert len(files_of(small_server) - before) == 4


async def test_of_a_batch_a_picture_the_recipe_does_not_fit_is_refused(
    small: ClientSession,
) -> None:
    crop = '{"crop":{"x":10,"y":10,"width":20,"height":20}}'
    files = [("large.jpg", JPEG), ("small.png", PNG), ("large2.jpg", JPEG)]
    async with small.post("/upload", data=form(*files, options=crop)) as response:
        batch = await response.json()

    assert [image["name"] for image in batch["images"]] == ["large.jpg", "large2.jpg"]
    assert [one["problem"]["type"] for one in batch["refused"]] == ["/problems/crop_outside"]


async def test_garbage_instead_of_http_is_answered_and_hurts_nobody(
    leaves_nothing: ServerProcess, small: ClientSession
) -> None:
    for garbage in (b"\x16\x03\x01 TLS\r\n\r\n", b"GET\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"):
        answer = await exchange(leaves_nothing.url, garbage)
        assert answer.status == 400
        assert b"Traceback" not in answer.body

    async with small.get("/livez") as response:
        assert response.status == 200


async def _slowly(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 100):
        yield content[start : start + 100]
        await asyncio.sleep(0)


async def test_a_body_in_many_small_pieces_is_whole(small: ClientSession) -> None:
    headers = {"Content-Type": "image/jpeg"}
    async with small.post("/upload", data=_slowly(JPEG), headers=headers) as response:
        assert response.status == 200
