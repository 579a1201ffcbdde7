"""Why a server did not do what it was asked: its own words (RFC 9457), or ours where none came."""

from typing import Any

_BUSY = (429, 503, 507)
_LOST = (0, 500, 502, 504)


class Problem(Exception):
    """One refusal, or an answer that never came (`status` 0)."""

    def __init__(
        self,
        code: str,
        title: str,
        detail: str,
        *,
        status: int = 0,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.code = code
        self.title = title
        self.detail = detail
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be taken later."""
        return self.status in _BUSY or self.is_lost or self.code == "idempotency_in_progress"

    @property
    def is_lost(self) -> bool:
        """Whether nobody can say if the request was taken; it may only be sent again as it was."""
        return self.status in _LOST

    @property
    def is_of_wish(self) -> bool:
        """Whether every other picture would be refused for the same: the key, or the recipe."""
        return self.status in (401, 403) or self.code in _OF_WISH

    def told(self) -> dict[str, Any]:
        """As --json shows it."""
        return {"code": self.code, "title": self.title, "detail": self.detail}


_OF_WISH = ("bad_options", "callback_refused", "redirected", "not_the_service")


def problem_of(body: Any, *, status: int, retry_after_s: float | None = None) -> Problem:
    """Of the JSON of an answer; whatever stands before a server may answer with something else."""
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        code = "unavailable" if status >= 500 else "not_the_service"
        detail = f"Status {status} came without the words of Safelight; is --server right?"
        return Problem(
            code, "Unexpected answer", detail, status=status, retry_after_s=retry_after_s
        )
    return Problem(
        body["type"].removeprefix("/problems/"),
        str(body.get("title", "")),
        str(body.get("detail", "")),
        status=status,
        retry_after_s=retry_after_s,
    )


def unreachable(url: str, why: str) -> Problem:
    """No answer came."""
    return Problem("unreachable", f"No server answers at {url}", why)
