"""Journal entries as the scripts write them, and the rows of them."""

import json

from server.records.record import Row, row_of

OUTPUT = {
    **{"name": "default", "key": "results/aa/x/default.webp", "format": "webp"},
    **{"width": 80, "height": 60, "bytes": 1234, "digest": "d", "frames": 1, "quality": None},
}


def entry(job_id: str, revision: int = 5, **fields: str) -> dict[str, str]:
    """A job that was completed, with other fields where they are given."""
    completed = {
        **{"id": job_id, "revision": str(revision), "status": "completed"},
        **{"client": "127.0.0.1", "name": "a.jpg", "original_bytes": "5000"},
        **{"original_format": "jpeg", "width": "160", "height": "120", "digest": "f" * 64},
        **{"recipe": '{"format":"webp"}', "attempts": "1", "variants": json.dumps([OUTPUT])},
        **{"created": "1000", "started": "1250", "settled": "1900"},
        **{"timings": '{"decode":12.5}'},
    }
    return completed | fields


def row(job_id: str, revision: int = 5, **fields: str) -> Row:
    """The same as a row."""
    return row_of(entry(job_id, revision, **fields))


def many(number: int, **fields: str) -> list[Row]:
    """Jobs job-000, job-001 ..., each created a millisecond after the one before."""
    return [row(f"job-{one:03}", created=str(1_000_000 + one), **fields) for one in range(number)]
