"""Every way the service says no: code, status, title, and what the caller can do about it.

A code is stable and public (`/problems/<code>`); `detail` says what was wanted and what came.
"""


class Refusal(Exception):
    """A request that is answered with a problem (RFC 9457) instead of a result."""

    status: int = 400
    code: str = "bad_request"
    title: str = "The request cannot be understood"

    def __init__(
        self,
        detail: str,
        *,
        limit: int | None = None,
        actual: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.limit = limit
        self.actual = actual
        self.retry_after_s = retry_after_s


class BadRequest(Refusal):
    """Something in the request's form is wrong; `detail` says what."""


class NoFile(Refusal):
    """A multipart request without a `file` part."""

    code, title = "no_file", "There is no file in the request"


class EmptyBody(Refusal):
    """A picture of no bytes."""

    code, title = "empty_body", "The picture has no bytes"


class CutShort(Refusal):
    """The connection ended before the body did."""

    code, title = "cut_short", "The upload ended early"


class UploadTooSlow(Refusal):
    """No bytes came for upload.stall_timeout_s."""

    status, code, title = 408, "upload_too_slow", "The upload stood still"


class NotFound(Refusal):
    """No such job, batch, image, variant or page."""

    status, code, title = 404, "not_found", "There is nothing here"


class MethodNotAllowed(Refusal):
    """The path exists, the method does not."""

    status, code, title = 405, "method_not_allowed", "This address does not take that method"


class NotReady(Refusal):
    """The picture exists as a job, but its result does not exist yet, or never will."""

    status, code, title = 409, "not_ready", "The picture is not ready"


class AlreadyEnded(Refusal):
    """What is asked for comes too late: the job has ended."""

    status, code, title = 409, "already_ended", "The job has ended already"


class NotFailed(Refusal):
    """Only a failed job can be tried again."""

    status, code, title = 409, "not_failed", "The job has not failed"


class Gone(Refusal):
    """The picture was here and has expired or was removed."""

    status, code, title = 410, "expired", "The picture is gone"


class TooLarge(Refusal):
    """More bytes than upload.max_upload_bytes or upload.max_request_bytes."""

    status, code, title = 413, "too_large", "The upload is too large"


class TooManyFiles(Refusal):
    """More files in one request than upload.max_files."""

    status, code, title = 413, "too_many_files", "There are too many files in one request"


class BatchTooLarge(Refusal):
    """More pictures in one batch than may wait at all, so that waiting would not help."""

    status, code, title = 413, "batch_too_large", "The batch is larger than the queue"


class UnsupportedMedia(Refusal):
    """The body is of a kind that this address does not take."""

    status, code, title = 415, "unsupported_media_type", "This kind of body is not taken here"


class BadOptions(Refusal):
    """The recipe is not valid; `detail` names path, wanted and got."""

    status, code, title = 422, "bad_options", "The options are not valid"


# What a picture's own fault is called, and its status: nobody can make such a picture work.
PICTURE_FAULTS: dict[str, tuple[int, str]] = {
    "not_an_image": (415, "This is not a picture"),
    "unsupported_format": (415, "Pictures of this format are not taken"),
    "too_many_pixels": (422, "The picture has too many pixels"),
    "too_many_frames": (422, "The picture has too many frames"),
    "output_too_large": (422, "The result would be too large"),
    "crop_outside": (422, "The crop lies outside the picture"),
    "page_outside": (422, "The file has no such page"),
    "drawing_too_large": (422, "The drawing is too large"),
    "max_bytes_too_small": (422, "The result cannot be made so small"),
    "region_outside": (422, "The region lies outside the picture"),
    "asset_not_found": (422, "The watermark does not exist"),
    "asset_unreadable": (422, "The watermark cannot be used"),
    "font_not_found": (422, "The font does not exist"),
    "corrupt_image": (422, "The picture is damaged"),
    "needs_too_much_memory": (422, "The picture needs more memory than there is"),
}

# How else a job can end without a result.
JOB_FAULTS: dict[str, tuple[int, str]] = {
    "cancelled": (409, "The job was cancelled"),
    "deadline_exceeded": (422, "The picture took too long"),
    "out_of_memory": (422, "The picture needed too much memory"),
    "worker_crashed": (500, "The worker died on this picture"),
    "node_lost": (500, "The server died too often while this picture was in work"),
    "storage_failed": (500, "The result could not be stored"),
    "internal_error": (500, "Something went wrong on our side"),
}


def is_fault_of_picture(code: str) -> bool:
    """Whether the picture (or its recipe) is to blame, so that no other attempt can help."""
    return code in PICTURE_FAULTS


def fault_title(code: str) -> str:
    """What a fault is called in public."""
    return (PICTURE_FAULTS | JOB_FAULTS).get(code, JOB_FAULTS["internal_error"])[1]


class Faulted(Refusal):
    """A picture that was refused by the probe, or whose job failed; the code is the fault's."""

    def __init__(
        self, code: str, detail: str, *, limit: int | None = None, actual: int | None = None
    ) -> None:
        super().__init__(detail, limit=limit, actual=actual)
        found = (PICTURE_FAULTS | JOB_FAULTS).get(code, JOB_FAULTS["internal_error"])
        self.status, self.title = found
        self.code = code


class QueueFull(Refusal):
    """More jobs wait than queue.max_depth allows."""

    status, code, title = 429, "queue_full", "Too many pictures are waiting"


class DiskFull(Refusal):
    """Less room than storage.min_free_bytes would be left on the disk."""

    status, code, title = 507, "disk_full", "There is no room on the disk"


class Unavailable(Refusal):
    """A part the service needs (Redis, the probe) does not answer just now, or it is stopping."""

    status, code, title = 503, "unavailable", "The service cannot do this just now"


class Unexpected(Refusal):
    """A fault of ours. The log has the traceback under the request id."""

    status, code, title = 500, "internal_error", "Something went wrong on our side"
