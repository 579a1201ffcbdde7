"""The commands for a backup in docs/operations.md, run beside a busy service; then the restore."""

import asyncio
import subprocess
from pathlib import Path

from aiohttp import ClientSession

from tests.conftest import StartServer
from tests.docs.blocks import blocks_of
from tests.docs.conftest import photo
from tests.edge.forms import AT_ONCE, end_of, form, upload
from tests.server_process import PROJECT, ServerProcess

PAGE = PROJECT / "docs" / "operations.md"
RESULT = {"resize": {"width": 80}, "format": "png"}


async def test_a_copy_of_a_busy_service_goes_on_where_it_was(
    start_server: StartServer, tmp_path: Path
) -> None:
    first = start_server(SAFELIGHT_AI__ENABLED="false")
    async with ClientSession(first.url) as client:
        before = [await upload(client, photo(200, 150 + n), options=RESULT) for n in range(3)]
        shown = [await _picture(client, one["imageId"]) for one in before]
        signed = await _private(client)
        busy = asyncio.create_task(_bring(client, 12))
        await asyncio.to_thread(_run, "backup", first.data_dir, tmp_path / "backup")
        accepted = await busy
        for job_id in accepted:  # or a copy could end what the first has not ended yet
            await end_of(client, job_id)
        known = await _history(client)
    first.kill()

    restored = tmp_path / "restored" / "data"
    _run("restore", restored, tmp_path / "backup")
    second = start_server(data_dir=restored, SAFELIGHT_AI__ENABLED="false")

    async with ClientSession(second.url) as client:
        assert [await _picture(client, one["imageId"]) for one in before] == shown
        async with client.get(signed) as response:  # the keys that signed it came along
            assert response.status == 200
        assert {one["imageId"] for one in before} <= await _history(client) <= known
        for job_id in accepted:
            await _has_ended_or_is_unknown(client, second, job_id)
        assert (await upload(client, photo(90, 60), options=RESULT))["status"] == "completed"
    assert second.errors_logged() == ""


def _run(name: str, data: Path, backup: Path) -> None:
    """The block of the page that begins with a comment of that name."""
    (block,) = [one for one in blocks_of(PAGE) if one.commands.startswith(f"# {name}")]
    done = subprocess.run(
        ["bash", "-euc", block.commands],
        env={"PATH": "/usr/bin:/bin", "DATA": str(data), "BACKUP": str(backup)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def _bring(client: ClientSession, count: int) -> list[str]:
    """Pictures that are accepted while the copy is made."""
    accepted = []
    for number in range(count):
        data = form((f"{number}.jpg", photo(300, 200 + number)))
        async with client.post("/upload", data=data, headers=AT_ONCE) as response:
            accepted.append((await response.json())["jobId"])
    return accepted


async def _picture(client: ClientSession, image_id: str) -> bytes:
    async with client.get(f"/image/{image_id}") as response:
        assert response.status == 200
        return await response.read()


async def _private(client: ClientSession) -> str:
    data = form(("secret.jpg", photo(120, 90)), private="true")
    async with client.post("/upload", data=data, headers={"Prefer": "wait=60"}) as response:
        url: str = (await response.json())["url"]
    assert "signature=" in url
    return url


async def _history(client: ClientSession) -> set[str]:
    async with client.get("/jobs") as response:
        return {one["jobId"] for one in (await response.json())["jobs"]}


async def _has_ended_or_is_unknown(
    client: ClientSession, server: ServerProcess, job_id: str
) -> None:
    """What came before its Redis was copied is worked on; what came after is not there at all."""
    async with client.get(f"/status/{job_id}") as response:
        if response.status == 404:
            return
    ended = await end_of(client, job_id)
    assert ended["status"] == "completed", server.log_tail()
