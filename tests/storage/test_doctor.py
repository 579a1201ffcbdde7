"""`safelight doctor` on buckets: one that works, and the ways in which one is set up wrongly."""

import socket
from pathlib import Path
from typing import Any

import pytest

from server.ops.doctor import storage
from server.ops.doctor.finding import Finding, State
from server.ops.doctor.storage import advice
from tests.ops.doctor.places import found, settings_for
from tests.storage.weed import KEY, SECRET, Weed


async def looked(weed: Weed, folder: Path, **changes: Any) -> list[Finding]:
    """What is said of a bucket of the S3 server, with some settings changed."""
    settings = {
        "url": "s3://pictures/doctor",
        "endpoint": weed.url,
        "region": "us-east-1",
        "allow_http": True,
        "max_retries": 0,
        "timeout_s": 5,
    }
    return await found(
        storage.check, settings_for(folder / "data", storage=settings | changes), folder
    )


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Where the client of S3 looks for them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return monkeypatch


@pytest.mark.usefixtures("credentials")
async def test_a_bucket_that_works_is_written_read_and_left_as_it_was(
    weed: Weed, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()

    findings = await looked(weed, tmp_path)

    assert [one.state for one in findings] == [State.GOOD, State.GOOD]
    assert "was written, read and deleted" in findings[0].says
    assert "clock and ours differ by 0 s" in findings[1].says
    assert list((tmp_path / "own").iterdir()) == []


async def test_wrong_credentials_are_named(
    weed: Weed, tmp_path: Path, credentials: pytest.MonkeyPatch
) -> None:
    credentials.setenv("AWS_SECRET_ACCESS_KEY", "guessed")

    [told] = await looked(weed, tmp_path)

    assert told.state is State.WRONG
    assert "AWS_SECRET_ACCESS_KEY is wrong" in told.advice, told
    assert "guessed" not in told.says


@pytest.mark.usefixtures("credentials")
async def test_an_endpoint_where_nobody_listens_is_named(weed: Weed, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        [told] = await looked(weed, tmp_path, endpoint=nobody)

    assert told.state is State.WRONG
    assert "nothing answers at storage.endpoint" in told.advice, told


@pytest.mark.usefixtures("credentials")
async def test_an_endpoint_without_tls_wants_to_be_allowed(weed: Weed, tmp_path: Path) -> None:
    [told] = await looked(weed, tmp_path, allow_http=False)

    assert told.state is State.WRONG
    assert "storage.allow_http" in told.advice, told


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("<Code>NoSuchBucket</Code>", "make the bucket"),
        ("cannot put x: there is no such bucket", "make the bucket"),
        ("<Code>RequestTimeTooSkewed</Code> The difference is too large", "NTP"),
        ("Server returned 403 Forbidden: AccessDenied", "may not do it"),
        ("error performing PUT http://169.254.169.254/latest/api/token", "no credentials"),
        ("what nobody has foreseen", "is storage.url right"),
    ],
)
def test_what_buckets_say_is_explained(says: str, words: str) -> None:
    assert words in advice(says)
