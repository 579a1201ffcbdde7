"""By which way a picture came in: a word in its job's hash, its record and its answers."""

from enum import StrEnum


class Source(StrEnum):
    """One for each way in."""

    UPLOAD = "upload"  # a part of multipart/form-data
    RAW = "raw"  # the body of POST /upload
    ZIP = "zip"  # a file of a ZIP sent to it
    TUS = "tus"  # a resumable upload
    PRESIGNED = "presigned"  # brought to a URL of its own, the storage's or ours
    EVENT = "event"  # dropped into the bucket, which told of it
    URL = "url"  # fetched, named in JSON
    NDJSON = "ndjson"  # fetched, named in a list
    ORIGINAL = "original"  # of a picture that is here, by its imageId
    DERIVED = "derived"  # made of a picture when first asked for
