"""Which file of a picture a client gets: the variant it names, in the format its Accept likes best.

Variants that differ in nothing but their format have it at the end of their names: default-avif,
default-webp, default-jpeg. The name before it stands for all of them (RFC 9110, 12.5.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from server.jobs.job import Job, Variant
from server.refusals import NotFound

MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
    "tiff": "image/tiff",
}
# A client that says no more than */* may be an e-mail program of twenty years: it is given what
# all can show. Newer formats go to those that name them.
_KNOWN_TO_ALL = frozenset({"jpeg", "png", "gif"})
_MOST_RANGES = 50  # of an Accept; browsers send about ten


@dataclass(frozen=True, slots=True)
class Choice:
    """The file to send."""

    variant: Variant
    job_id: str
    is_negotiated: bool

    def headers(self) -> dict[str, str]:
        """What a cache must know: on what the choice hung, and where the file is without it."""
        if not self.is_negotiated:
            return {}
        location = f"/image/{self.job_id}/{self.variant.name}"
        return {"Vary": "Accept", "Content-Location": location}


def choose(job: Job, name: str | None, accept: str) -> Choice:
    """The variant of that name (none: the first), and of several formats the one to send.

    `accept` is the header, "" if there is none. Raises NotFound.
    """
    for variant in job.variants:
        if variant.name == name:
            return Choice(variant, job.job_id, is_negotiated=False)
    family = _family(job.variants[0]) if name is None else name
    formats = [variant for variant in job.variants if family and _family(variant) == family]
    if len(formats) > 1:
        return Choice(_liked_best(formats, accept), job.job_id, is_negotiated=True)
    if name is None or formats:
        return Choice((formats or job.variants)[0], job.job_id, is_negotiated=False)
    known = ", ".join(variant.name for variant in job.variants)
    raise NotFound(f"This picture has no variant '{name}'; it has {known}.")


def _family(variant: Variant) -> str | None:
    """`default` of default-webp; None where the name does not end with the format."""
    ending = f"-{variant.format}"
    return variant.name.removesuffix(ending) if variant.name.endswith(ending) else None


def _liked_best(formats: list[Variant], accept: str) -> Variant:
    """The first of the best; if nothing fits the last, which is for all others: better than 406."""
    ranges = _ranges(accept)
    *_, fallback = formats
    weights = [_quality(one, ranges, is_for_all=one is fallback) for one in formats]
    best = max(weights)
    return formats[weights.index(best)] if best > 0 else fallback


def _quality(variant: Variant, ranges: Mapping[str, float], *, is_for_all: bool) -> float:
    named = ranges.get(MEDIA_TYPES[variant.format])
    if named is not None:
        return named
    if not (is_for_all or variant.format in _KNOWN_TO_ALL):
        return 0.0
    return ranges.get("image/*", ranges.get("*/*", 0.0))


def _ranges(accept: str) -> dict[str, float]:
    """Media ranges with their q; what is no number counts as not wanted."""
    found: dict[str, float] = {}
    for part in (accept or "*/*").split(",", _MOST_RANGES)[:_MOST_RANGES]:
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights = [one[2:].strip() for one in parameters if one.startswith("q=")]
        found[media_type] = _weight(weights[0]) if weights else 1.0
    return found


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
