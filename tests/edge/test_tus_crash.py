"""What is killed at any moment: an upload goes on from where it was on disk, and is one job."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from server.intake.tus.resumable import Resumable, Shelf, now_ms
from server.intake.tus.turns import Turns
from server.refusals import UploadInterrupted, UploadLocked
from tests.conftest import StartServer
from tests.edge.forms import end_of
from tests.edge.pictures import jpeg, png
from tests.edge.traces import eventually, traces
from tests.edge.tus_requests import begun, offset_of, patch, send
from tests.edge.wire import head, wire

MIB = 1024 * 1024
PICTURE = jpeg(320, 240)


def an_upload(letter: str = "a", *, length: int = 100, offset: int = 0) -> Resumable:
    """One as a client might have begun it."""
    return Resumable(
        upload_id=letter * 24,
        name="a.jpg",
        client="127.0.0.1",
        length=length,
        offset=offset,
        recipe="{}",
        private=False,
        expires_in_s=None,
        metadata="",
        expires_ms=now_ms() + 60_000,
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made = Shelf(tmp_path / "tus")
    made.load()
    return made


async def test_a_kill_within_a_request_costs_what_came_since_the_last_sync(
    start_server: StartServer,
) -> None:
    picture = png(2200, 2200)
    assert len(picture) > 11 * MIB
    server = start_server()
    async with ClientSession(server.url) as client:
        path = await begun(client, len(picture), options='{"resize":{"width":64}}')
    lines = ["Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream"]
    length = f"Content-Length: {len(picture)}"
    data = server.data_dir / "spool" / "tus" / path.rsplit("/", 1)[-1]
    async with wire(server.url) as connection:
        request = head("PATCH", path, *lines, "Upload-Offset: 0", length)
        await connection.send(request, picture[: 10 * MIB])
        await eventually(lambda: data.stat().st_size >= 9 * MIB)
        server.kill()
    again = start_server(data_dir=server.data_dir)
    async with ClientSession(again.url) as client:
        offset = await offset_of(client, path)
        answer = await patch(client, path, offset, picture[offset:])
        status = await end_of(client, answer.headers["Safelight-Job-Id"])

    assert 8 * MIB <= offset <= 10 * MIB
    assert (status["status"], status["original"]["bytes"]) == ("completed", len(picture))


async def test_a_kill_around_the_admission_makes_one_job(start_server: StartServer) -> None:
    """Three moments that no kill hits on demand, laid out as it would have left them."""
    server = start_server()
    folder = server.data_dir / "spool" / "tus"
    async with ClientSession(server.url) as client:
        admitted = await begun(client, len(PICTURE))
        job_id = (await patch(client, admitted, 0, PICTURE)).headers["Safelight-Job-Id"]
        assert (await end_of(client, job_id))["status"] == "completed"
        complete = await begun(client, len(PICTURE), options='{"format":"png"}')
        await patch(client, complete, 0, PICTURE[:-1])
        torn = await begun(client, len(PICTURE), options='{"format":"gif"}')
        await patch(client, torn, 0, PICTURE[:100])
    server.stop()
    # Admitted, but killed before the upload was put away.
    _put_back(folder, job_id)
    # The last byte is there and counts, but nothing was admitted.
    _append(folder, complete, PICTURE[-1:], counts=True)
    # Bytes that were written and not yet synced: they do not count, whatever they are.
    _append(folder, torn, b"torn", counts=False)
    again = start_server(data_dir=server.data_dir)
    async with ClientSession(again.url) as client:
        before = traces(again).counters["admitted"]
        first = await send(client, "HEAD", admitted)
        second = await send(client, "HEAD", complete)
        third = await patch(client, torn, await offset_of(client, torn), PICTURE[100:])
        stati = [
            (await end_of(client, one.headers["Safelight-Job-Id"]))["status"]
            for one in (first, second, third)
        ]

    assert first.headers["Safelight-Job-Id"] == job_id
    assert traces(again).counters["admitted"] == before + 2
    assert stati == ["completed"] * 3


def test_a_start_removes_what_has_no_note_or_no_bytes(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "tus"
    whole, lost, cut = an_upload("a"), an_upload("b"), an_upload("c", offset=50)
    for upload in (whole, lost, cut):
        shelf.create(upload)
    shelf.data_path(lost.upload_id).unlink()
    (folder / "orphan").write_bytes(b"bytes without a note")
    (folder / f"{whole.upload_id}.json.new").write_bytes(b"half a no")
    (folder / "d.json").write_bytes(b"no note")

    assert shelf.load() == [whole]
    names = {path.name for path in folder.iterdir()}
    assert names == {whole.upload_id, f"{whole.upload_id}.json", "finished"}


def test_bytes_behind_the_offset_are_cut_off(shelf: Shelf) -> None:
    upload = an_upload()
    shelf.create(upload)
    shelf.data_path(upload.upload_id).write_bytes(b"written, not synced")
    with shelf.open(upload.at(7, expires_ms=upload.expires_ms)) as file:
        file.write(b"!")

    assert shelf.data_path(upload.upload_id).read_bytes() == b"written!"


@pytest.mark.parametrize("name", ["../node", "a" * 24 + "/..", "A" * 24, ""])
def test_what_a_client_sends_never_becomes_a_path(shelf: Shelf, name: str) -> None:
    assert shelf.finished(name) is None


def test_a_finished_upload_is_forgotten_after_a_while(shelf: Shelf) -> None:
    upload = an_upload()
    shelf.create(upload)
    shelf.finish(upload.upload_id)
    shelf.forget_finished(older_than_s=60)
    remembered = shelf.finished(upload.upload_id)
    shelf.forget_finished(older_than_s=-1)

    assert remembered == upload
    assert shelf.finished(upload.upload_id) is None


async def test_a_turn_that_nobody_gives_up_is_told_after_a_while() -> None:
    turns = Turns(wait_s=0.05)
    async with turns.take("one"):
        with pytest.raises(UploadLocked):
            async with turns.take("one"):
                pass
        async with turns.take("another"):
            pass
    async with turns.take("one"):
        pass

    assert not turns.is_taken("one")


async def test_who_waits_for_bytes_gives_up_the_turn_when_asked() -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    async def older() -> bytes:
        async with turns.take("one") as turn:
            chunks = silent()
            first = await turn.read(chunks)
            reading.set()
            with pytest.raises(UploadInterrupted):
                await turn.read(chunks)
            return first

    turns, reading = Turns(wait_s=60), asyncio.Event()
    waiting = asyncio.create_task(older())
    await reading.wait()
    async with turns.take("one"):
        assert await waiting == b"first"


def _put_back(folder: Path, upload_id: str) -> None:
    (folder / "finished" / f"{upload_id}.json").rename(folder / f"{upload_id}.json")
    (folder / upload_id).write_bytes(PICTURE)


def _append(folder: Path, path: str, content: bytes, *, counts: bool) -> None:
    upload_id = path.rsplit("/", 1)[-1]
    with (folder / upload_id).open("ab") as file:
        file.write(content)
    if counts:
        note = folder / f"{upload_id}.json"
        fields = json.loads(note.read_text())
        note.write_text(json.dumps(fields | {"offset": fields["offset"] + len(content)}))
