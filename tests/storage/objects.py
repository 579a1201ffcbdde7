"""The bucket seen with other eyes than the service's: a client of the test's own."""

from typing import Any

import obstore
from obstore.store import S3Store

from tests.storage.weed import KEY, SECRET, Weed


def bucket_of(weed: Weed, bucket: str, prefix: str) -> S3Store:
    """A client for everything below a prefix."""
    config: Any = {
        "endpoint": weed.url,
        "region": "us-east-1",
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "virtual_hosted_style_request": False,
    }
    return S3Store(bucket, prefix=prefix, config=config, client_options={"allow_http": True})


async def keys_below(store: S3Store, prefix: str) -> set[str]:
    """The keys of all objects there."""
    return {str(one["path"]) async for some in obstore.list(store, prefix) for one in some}
