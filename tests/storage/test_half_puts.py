"""Uploads in parts that a killed server has left in the bucket are ended: ours, and old ones."""

import hashlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import obstore
import pytest
from redis.asyncio import Redis

from server.config.sections import ImageSettings
from server.config.storing import StorageSettings
from server.jobs.connection import command_client
from server.ops.janitor import Janitor
from server.storage.bucket import BucketStorage
from server.storage.half_puts import Credentials, HalfPut, HalfPuts, _page, _uploads
from server.storage.storage import StorageFailed
from tests.jobs.sharing import Site
from tests.storage.objects import bucket_of, keys_below
from tests.storage.weed import KEY, SECRET, Weed

PART = b"p" * (5 * 1024 * 1024)


@pytest.fixture
def settings(weed: Weed, request: pytest.FixtureRequest) -> StorageSettings:
    """A bucket of each test's own, since a bucket is listed as a whole."""
    bucket = f"half-{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}"
    return StorageSettings(
        url=f"s3://{bucket}/safe/light", endpoint=weed.url, region="us-east-1", allow_http=True
    )


@pytest.fixture
async def storage(
    weed: Weed, settings: StorageSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BucketStorage:
    for name, value in weed.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    storage = BucketStorage(settings, tmp_path)
    await storage.check()
    return storage


def half_puts(settings: StorageSettings, secret: str = SECRET) -> HalfPuts:
    return HalfPuts(settings, Credentials(KEY, secret))


def begin(settings: StorageSettings, key: str) -> None:
    """As the library begins one, and dies."""
    half_puts(settings)._ask("POST", f"/{key}", {"uploads": ""})


def left(settings: StorageSettings) -> set[str]:
    return {one.key for one in half_puts(settings)._all("")}


async def test_ours_are_ended_and_all_others_stay(
    storage: BucketStorage, settings: StorageSettings
) -> None:
    ours = {"safe/light/originals/aa/a b+ä%41", "safe/light/results/bb/b/default.webp"}
    others = {
        *("safe/light/incoming/c", "safe/light/else/d", "safe/lighter/originals/aa/e"),
        *("originals/aa/f", "else/originals/aa/g"),
    }
    for key in ours | others:
        begin(settings, key)
    assert left(settings) == ours | others

    assert await storage.abort_half_puts(older_than_s=-60) == len(ours)
    assert left(settings) == others
    assert await storage.abort_half_puts(older_than_s=-60) == 0


async def test_what_may_still_be_going_on_is_left_alone(
    storage: BucketStorage, settings: StorageSettings
) -> None:
    begin(settings, "safe/light/originals/aa/a")

    assert await storage.abort_half_puts(older_than_s=600) == 0
    assert left(settings) == {"safe/light/originals/aa/a"}


async def test_a_put_that_has_ended_stays_whole(
    storage: BucketStorage, settings: StorageSettings, weed: Weed, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    path.write_bytes(PART * 2)
    await storage.put("originals/aa/whole", path)
    await storage.abort_half_puts(older_than_s=-60)
    store = bucket_of(weed, settings.url.split("/")[2], "safe/light")

    assert await keys_below(store, "originals") == {"originals/aa/whole"}
    found = await obstore.get_async(store, "originals/aa/whole")
    assert bytes(await found.bytes_async()) == PART * 2


async def test_more_than_a_page_of_them_is_found(
    storage: BucketStorage, settings: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.storage.half_puts._MOST_AT_ONCE", 3)
    keys = {f"safe/light/originals/aa/{number:02}" for number in range(8)}
    for key in keys:
        begin(settings, key)

    assert left(settings) == keys
    assert await storage.abort_half_puts(older_than_s=-60) == len(keys)


async def test_a_bucket_that_refuses_us_is_a_failure_of_the_storage(
    storage: BucketStorage, settings: StorageSettings
) -> None:
    with pytest.raises(StorageFailed, match="answered 403"):
        await half_puts(settings, "wrong").abort_older(int(time.time() * 1000), ("originals/",))


async def test_without_credentials_of_the_environment_it_is_left_to_the_bucket(
    settings: StorageSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)

    assert await BucketStorage(settings, tmp_path).abort_half_puts(older_than_s=-60) == 0


# From AWS' own page of examples, whose requests carry the headers that ours do:
# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SIGNED = {
    "lifecycle=": "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    "max-keys=2&prefix=J": "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
}


@pytest.mark.parametrize("query, signature", SIGNED.items())
def test_requests_are_signed_as_aws_shows(query: str, signature: str) -> None:
    settings = StorageSettings(
        url="s3://examplebucket",
        endpoint="https://s3.amazonaws.com",
        region="us-east-1",
        path_style=False,
    )
    when = datetime(2013, 5, 24, tzinfo=UTC)

    headers = HalfPuts(settings, EXAMPLE)._signed("GET", "/", query, when)

    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        f"Signature={signature}"
    )


def test_a_token_of_temporary_credentials_is_signed_with_the_rest(
    settings: StorageSettings,
) -> None:
    credentials = Credentials(KEY, SECRET, "temporary")

    headers = HalfPuts(settings, credentials)._signed("GET", "/", "", datetime.now(UTC))

    assert headers["x-amz-security-token"] == "temporary"
    assert ";x-amz-security-token," in headers["authorization"]


@pytest.mark.parametrize(
    "endpoint, path_style, host, base",
    [
        ("", False, "box.s3.eu-west-1.amazonaws.com", ""),
        ("", True, "s3.eu-west-1.amazonaws.com", "/box"),
        ("https://minio.example:9000", True, "minio.example:9000", "/box"),
        ("https://r2.example/", False, "box.r2.example", ""),
        ("https://proxy.example/s3/", True, "proxy.example", "/s3/box"),
    ],
)
def test_the_bucket_is_asked_where_it_is(
    endpoint: str, path_style: bool, host: str, base: str
) -> None:
    settings = StorageSettings(
        url="s3://box/pictures/", endpoint=endpoint, region="eu-west-1", path_style=path_style
    )
    asked = HalfPuts(settings, EXAMPLE)

    assert (asked._host, asked._base, asked.prefix) == (host, base, "pictures/")


@pytest.mark.parametrize(
    "given, wanted",
    [
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, Credentials("a", "b")),
        (
            {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"},
            Credentials("a", "b", "c"),
        ),
        ({"AWS_ACCESS_KEY_ID": "a"}, None),
        ({"AWS_SECRET_ACCESS_KEY": "b"}, None),
    ],
)
def test_credentials_come_from_the_environment_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], wanted: Credentials | None
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert Credentials.of_environment() == wanted


def listed(**fields: str) -> str:
    return "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())


def test_what_a_list_does_not_say_whole_is_left_alone() -> None:
    whole = {"Key": "k", "UploadId": "u", "Initiated": "1970-01-01T00:00:01.000Z"}
    uploads = [whole] + [whole | {name: ""} for name in whole]
    uploads.append(whole | {"Initiated": "1970-01-01T00:00:01.000"})  # of which zone?
    body = "".join(f"<Upload>{listed(**one)}</Upload>" for one in uploads)
    space = "http://s3.amazonaws.com/doc/2006-03-01/"

    for root in ("<R>", f'<R xmlns="{space}">'):
        assert list(_uploads(_page(f"{root}{body}</R>".encode()))) == [HalfPut("k", "u", 1000)]
    with pytest.raises(StorageFailed, match="no XML"):
        _page(b"<R>")


async def test_one_that_has_ended_meanwhile_is_no_failure(
    storage: BucketStorage, settings: StorageSettings
) -> None:
    key = "safe/light/originals/aa/a"
    begin(settings, key)
    [one] = half_puts(settings)._all(key)

    half_puts(settings)._abort(one)
    half_puts(settings)._abort(one)

    assert left(settings) == set()


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


async def test_the_janitor_does_it_when_it_sweeps(
    storage: BucketStorage, settings: StorageSettings, redis: Redis, tmp_path: Path
) -> None:
    begin(settings, "safe/light/originals/aa/a")
    queue = Site(redis, tmp_path, "here").queue
    patient = ImageSettings(orphan_grace_s=3600)
    hasty = patient.model_copy(update={"orphan_grace_s": -60})

    await Janitor(queue, storage, patient, incoming=list).sweep()
    assert left(settings) == {"safe/light/originals/aa/a"}
    await Janitor(queue, storage, hasty, incoming=list).sweep()
    assert left(settings) == set()
