"""`callbackUrl`: whom a client wants told. Checked as text here, as address when it is called."""

from collections.abc import Mapping

from server.config.webhooks import WebhookSettings
from server.intake.fetch.guard import Guard
from server.jobs.outbox import Outbox
from server.refusals import CallbackRefused, CallbacksFull, FetchRefused

_FIELD = "callbackUrl"
_COME_AGAIN_S = 60


class Callbacks:
    """Says of a callbackUrl whether it is taken."""

    def __init__(self, guard: Guard, outbox: Outbox, settings: WebhookSettings) -> None:
        self._guard = guard
        self._outbox = outbox
        self._settings = settings

    async def asked(self, fields: Mapping[str, str]) -> str:
        """The URL as it will be called; "" where none is asked for, which costs nothing.

        Raises CallbackRefused, or CallbacksFull while too many webhooks are on their way.
        """
        text = fields.get(_FIELD)
        if text is None:
            return ""
        try:
            checked = self._guard.check(text)
        except FetchRefused as error:
            raise CallbackRefused(
                f"{_FIELD}: expected an address that may be called from here. {error.detail}"
            ) from error
        if self._settings.https_only and checked.scheme != "https":
            raise CallbackRefused(f"{_FIELD}: expected https://, got {checked.scheme}://.")
        await self._refuse_if_full()
        return checked.text

    async def _refuse_if_full(self) -> None:
        limit, waiting = self._settings.max_waiting, await self._outbox.waiting()
        if waiting >= limit:
            raise CallbacksFull(
                f"At most {limit} webhooks may be on their way and {waiting} are. Send it without"
                f" {_FIELD}, or again in {_COME_AGAIN_S} s.",
                limit=limit,
                actual=waiting,
                retry_after_s=_COME_AGAIN_S,
            )
