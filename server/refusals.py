"""Every way the service says no: code, status, title, and what the caller can do about it.

A code is stable and public (`/problems/<code>`); `detail` says what was wanted and what came.
"""

from collections.abc import Mapping
from types import MappingProxyType


class Refusal(Exception):
    """A request that is answered with a problem (RFC 9457) instead of a result."""

    status: int = 400
    code: str = "bad_request"
    title: str = "The request cannot be understood"
    headers: Mapping[str, str] = MappingProxyType({})
    """What the answer carries beside its problem."""

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


class KeyMissing(Refusal):
    """No key, or one that nobody has."""

    status, code, title = 401, "key_missing", "This needs an API key"
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="safelight"'})


class KeyWrong(Refusal):
    """A key that is not set up, or no longer."""

    status, code, title = 401, "key_wrong", "There is no such API key"
    headers = MappingProxyType(
        {"WWW-Authenticate": 'Bearer realm="safelight", error="invalid_token"'}
    )


class TooManyWrongKeys(Refusal):
    """One address has tried more wrong keys than auth.max_wrong_keys."""

    status, code, title = 429, "too_many_wrong_keys", "Too many wrong API keys came from here"


class ScopeMissing(Refusal):
    """The key is right, but not for this; `detail` names the scope that it needs."""

    status, code, title = 403, "scope_missing", "This API key may not do that"


class OriginDenied(Refusal):
    """A page of another origin called, and cors.origins does not list it."""

    status, code, title = 403, "origin_denied", "Pages of that origin may not call this service"


class QuotaExceeded(Refusal):
    """A client has used up what [quota] gives it; others go on."""

    status, code, title = 429, "quota_exceeded", "Your quota is used up"


class IdempotencyMismatch(Refusal):
    """The Idempotency-Key was used for another request before."""

    status, code, title = 422, "idempotency_mismatch", "This key stands for another body"


class IdempotencyBusy(Refusal):
    """The first request with this Idempotency-Key is not answered yet."""

    status, code, title = 409, "idempotency_in_progress", "The same request is in progress"


class SignatureWrong(Refusal):
    """A signed URL that was changed, or that no key of ours has signed."""

    status, code, title = 403, "signature_wrong", "The signature of this address is wrong"


class SignatureMissing(Refusal):
    """An address that says how the picture shall be made, without a signature for that."""

    status, code, title = 403, "signature_missing", "This address has to be signed"


class SignatureExpired(Refusal):
    """A signed URL whose time is over."""

    status, code, title = 410, "signature_expired", "This signed address is no longer good"


class MethodNotAllowed(Refusal):
    """The path exists, the method does not."""

    status, code, title = 405, "method_not_allowed", "This address does not take that method"


class NotReady(Refusal):
    """The picture exists as a job, but its result does not exist yet, or never will."""

    status, code, title = 409, "not_ready", "The picture is not ready"


class BeingMade(Refusal):
    """What is made of a picture on first ask has not come within derived.wait_s."""

    status, code, title = 503, "being_made", "The picture is being made"

    def __init__(self, detail: str, *, job_id: str | None, retry_after_s: int) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.job_id = job_id
        """Its job, if that is known yet."""


class TooManyDerived(Refusal):
    """So much was made of one picture on first ask that derived.max_per_image allows no more."""

    status, code, title = 422, "too_many_derived", "Enough was made of this picture"


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


class TusVersionWrong(Refusal):
    """A tus request without Tus-Resumable, or of another version."""

    status, code, title = 412, "tus_version", "This version of tus is not spoken here"
    headers = MappingProxyType({"Tus-Version": "1.0.0"})


class WrongOffset(Refusal):
    """Bytes of a resumable upload that do not begin where the last ones ended."""

    status, code, title = 409, "wrong_offset", "The upload stands at another offset"


class UploadLocked(Refusal):
    """Another request is at this resumable upload and does not end."""

    status, code, title = 423, "upload_locked", "Another request is at this upload"


class UploadFinished(Refusal):
    """The resumable upload is a job by now; what is to be done, is done to that."""

    status, code, title = 409, "upload_finished", "The upload is finished"


class UploadInterrupted(Refusal):
    """A newer request has taken over the resumable upload."""

    code, title = "upload_interrupted", "A newer request has taken over this upload"


class ChecksumMismatch(Refusal):
    """The bytes of one request are not those that its checksum was made of."""

    status, code, title = 460, "checksum_mismatch", "The checksum does not fit the bytes"


class TooManyUnfinished(Refusal):
    """More resumable uploads, or bytes of them, than [tus] lets be unfinished."""

    status, code, title = 429, "too_many_unfinished", "Too many uploads are unfinished"


class ArchiveUnsafe(Refusal):
    """A ZIP that unpacks to more than [archive] allows, or is made to mislead."""

    status, code, title = 422, "archive_unsafe", "This archive is not unpacked"


class ArchiveBroken(Refusal):
    """A ZIP that cannot be read."""

    status, code, title = 422, "archive_broken", "The archive is damaged"


class EntryRefused(Refusal):
    """A file of a ZIP that cannot be taken: encrypted, oddly packed, an archive itself."""

    status, code, title = 422, "entry_refused", "This file of the archive is not taken"


class TooManyUploads(Refusal):
    """One client has more presigned uploads open than presign.max_pending."""

    status, code, title = 429, "too_many_uploads", "Too many uploads are open"


class NothingUploaded(Refusal):
    """A presigned upload is to be completed, but its bytes have not come."""

    status, code, title = 409, "nothing_uploaded", "Nothing has been uploaded yet"


class AlreadyUploaded(Refusal):
    """A presigned URL of this server is good for one picture."""

    status, code, title = 409, "already_uploaded", "This URL has been used"


class UploadTaken(Refusal):
    """Another request or notification is at this presigned upload."""

    status, code, title = 409, "upload_taken", "The upload is being taken in"


class UploadMismatch(Refusal):
    """Length, type or checksum of a presigned upload are not those that were announced."""

    status, code, title = 422, "upload_mismatch", "What came is not what was announced"


class HookTokenWrong(Refusal):
    """A storage notification without hooks.token, or with another."""

    status, code, title = 401, "hook_token_wrong", "This is not the hook's token"
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="safelight hook"'})


class UnsupportedMedia(Refusal):
    """The body is of a kind that this address does not take."""

    status, code, title = 415, "unsupported_media_type", "This kind of body is not taken here"


class BadOptions(Refusal):
    """The recipe is not valid; `detail` names path, wanted and got."""

    status, code, title = 422, "bad_options", "The options are not valid"


class FetchRefused(Refusal):
    """A URL that is not followed: its form, its host or its address is not allowed."""

    status, code, title = 422, "fetch_refused", "This address is not fetched"


class CallbackRefused(Refusal):
    """A callbackUrl whose form, host or address is not allowed."""

    code, title = "callback_refused", "This callbackUrl is not called"


class CallbacksFull(Refusal):
    """More webhooks are on their way than webhooks.max_waiting allows."""

    status, code, title = 429, "callbacks_full", "Too many webhooks wait for their receivers"


class EndpointStopped(Refusal):
    """The endpoint has said 410 Gone and was not enabled since."""

    status, code, title = 409, "endpoint_stopped", "Nothing is sent to this endpoint"


class PresetsOnly(Refusal):
    """Options of a client's own where recipes.presets_only lets it only name a preset."""

    status, code, title = 403, "presets_only", "Only presets are taken here"


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
    "corrupt_image": (422, "The picture is damaged"),
    "needs_too_much_memory": (422, "The picture needs more memory than there is"),
}

# Why a picture could not be fetched. Only the address or its server can be at fault.
FETCH_FAULTS: dict[str, tuple[int, str]] = {
    "fetch_refused": (422, "This address is not fetched"),
    "fetch_failed": (422, "The picture could not be fetched"),
    "fetch_timeout": (422, "The picture's server took too long"),
    "fetch_too_large": (413, "The picture behind the address is too large"),
    "fetch_not_image": (415, "What the address leads to is not a picture"),
    "source_gone": (410, "The picture to work on is gone"),
}

# How else a job can end without a result.
JOB_FAULTS: dict[str, tuple[int, str]] = {
    "font_not_found": (422, "The font does not exist"),
    "asset_unreadable": (422, "The watermark cannot be used"),
    "asset_not_found": (422, "The watermark does not exist"),
    "ai_unavailable": (422, "This server has no such neural network"),
    "cancelled": (409, "The job was cancelled"),
    "deadline_exceeded": (422, "The picture took too long"),
    "out_of_memory": (422, "The picture needed too much memory"),
    "worker_crashed": (500, "The worker died on this picture"),
    "node_lost": (500, "The server died too often while this picture was in work"),
    "job_unreadable": (500, "What was kept of this job was damaged"),
    "storage_failed": (500, "The result could not be stored"),
    "internal_error": (500, "Something went wrong on our side"),
}


def is_fault_of_picture(code: str) -> bool:
    """Whether the picture (or its recipe) is to blame, so that no other attempt can help."""
    return code in PICTURE_FAULTS


def fault_title(code: str) -> str:
    """What a fault is called in public."""
    return (PICTURE_FAULTS | FETCH_FAULTS | JOB_FAULTS).get(code, JOB_FAULTS["internal_error"])[1]


class Faulted(Refusal):
    """A picture that was refused by the probe, or whose job failed; the code is the fault's."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        limit: int | None = None,
        actual: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail, limit=limit, actual=actual, retry_after_s=retry_after_s)
        found = (PICTURE_FAULTS | FETCH_FAULTS | JOB_FAULTS).get(code, JOB_FAULTS["internal_error"])
        self.status, self.title = found
        self.code = code


class QueueFull(Refusal):
    """More jobs wait than queue.max_depth allows."""

    status, code, title = 429, "queue_full", "Too many pictures are waiting"


class DiskFull(Refusal):
    """Less room than storage.min_free_bytes would be left on the disk."""

    status, code, title = 507, "disk_full", "There is no room on the disk"


class RecordsBehind(Refusal):
    """More ends of jobs wait to be written down than records.max_journal allows."""

    status, code, title = 503, "records_behind", "The history cannot keep up just now"


class RecordsSilent(Refusal):
    """The history's database does not answer, or not in time; jobs go on."""

    status, code, title = 503, "records_away", "The history cannot be read just now"


class RecordsOff(Refusal):
    """records.enabled is false."""

    status, code, title = 404, "records_off", "No history is kept here"


class Unavailable(Refusal):
    """A part the service needs (Redis, the probe) does not answer just now, or it is stopping."""

    status, code, title = 503, "unavailable", "The service cannot do this just now"


class Unexpected(Refusal):
    """A fault of ours. The log has the traceback under the request id."""

    status, code, title = 500, "internal_error", "Something went wrong on our side"
