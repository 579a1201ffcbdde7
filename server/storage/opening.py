"""Which storage the settings name."""

from pathlib import Path

from server.config.storing import StorageSettings
from server.storage.bucket import BucketStorage
from server.storage.disk import DiskStorage
from server.storage.storage import Storage


def open_storage(settings: StorageSettings, data_dir: Path) -> Storage:
    """The bucket that is set up, or the data folder."""
    if settings.url:
        return BucketStorage(settings, data_dir)
    return DiskStorage(data_dir, min_free_bytes=settings.min_free_bytes)
