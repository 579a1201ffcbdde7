"""Which file of a picture a client gets: the variant it names, in the format its Accept likes best.

Variants that differ in nothing but their format have it at the end of their names: default-avif,
default-webp, default-jpeg. The name before it stands for all of them (RFC 9110, 12.5.1). Where the
recipe says negotiateOnAsk, some of them are not made until somebody would get them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson

from pool import FormatName, Recipe, parse_recipe
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
_ON_ASK = '"negotiateOnAsk":true'  # as canonical recipes have it


@dataclass(frozen=True, slots=True)
class Choice:
    """The file to send, of the job `file_of`; `job_id` is the picture in whose address it stands.

    is_stand_in: what would be liked better does not exist yet.
    """

    variant: Variant
    job_id: str
    is_negotiated: bool
    file_of: str
    is_stand_in: bool = False

    def headers(self) -> dict[str, str]:
        """What a cache must know: on what the choice hung, and where the file is without it."""
        if not self.is_negotiated:
            return {}
        location = f"/image/{self.job_id}/{self.variant.name}"
        return {"Vary": "Accept", "Content-Location": location}


@dataclass(frozen=True, slots=True)
class Lack:
    """A format of a variant that is wanted and not made with the others; is_named: by its name."""

    variant: str
    format: FormatName
    is_named: bool
    recipe: Recipe
    """What makes it, alone."""


def has(job: Job, name: str) -> bool:
    """Whether a job has a variant of that name, in one format or several."""
    return any(name in (variant.name, _family(variant)) for variant in job.variants)


def choose(job: Job, name: str | None, accept: str, *, presets: Sequence[str] = ()) -> Choice:
    """The variant of that name (none: the first), and of several formats the one to send.

    `accept` is the header, "" if there is none. Raises NotFound, which names the presets, too.
    """
    for variant in job.variants:
        if variant.name == name:
            return Choice(variant, job.job_id, is_negotiated=False, file_of=job.job_id)
    family = _family(job.variants[0]) if name is None else name
    formats = [variant for variant in job.variants if family and _family(variant) == family]
    if len(formats) > 1:
        best = _liked_best([variant.format for variant in formats], accept)
        return Choice(formats[best], job.job_id, is_negotiated=True, file_of=job.job_id)
    if name is None or formats:
        is_choice = _offered(job, family) is not None
        first = (formats or job.variants)[0]
        return Choice(first, job.job_id, is_negotiated=is_choice, file_of=job.job_id)
    known = ", ".join(variant.name for variant in job.variants)
    more = f"; presets are {', '.join(presets)}" if presets else ""
    raise NotFound(f"This picture has no variant '{name}'; it has {known}{more}.")


def lacking(job: Job, name: str | None, accept: str) -> Lack | None:
    """The format that this client should get and that is not among the job's files."""
    if _ON_ASK not in job.recipe or any(variant.name == name for variant in job.variants):
        return None
    for variant, formats in _choices(job.recipe)[1].items():
        for one in formats:
            if name == f"{variant}-{one}" and _offered(job, variant):
                return _lack(job, variant, one, is_named=True)
    family = _family(job.variants[0]) if name is None else name
    offered = _offered(job, family)
    if family is None or offered is None:
        return None
    best = offered[_liked_best(offered, accept)]
    if any(variant.name == f"{family}-{best}" for variant in job.variants):
        return None
    return _lack(job, family, best, is_named=False)


def _lack(job: Job, variant: str, one: FormatName, *, is_named: bool) -> Lack:
    recipe = _choices(job.recipe)[0].alone(variant, one)
    return Lack(variant, one, is_named, recipe)


def _offered(job: Job, family: str | None) -> tuple[FormatName, ...] | None:
    """All formats that a variant is offered in, made or not; None where no other is made on ask.

    A film is none: what was made of it is what can hold its frames.
    """
    if family is None or _ON_ASK not in job.recipe:
        return None
    if any(variant.frames > 1 for variant in job.variants):
        return None
    offered = _choices(job.recipe)[1].get(family, ())
    return offered if len(offered) > 1 else None


@lru_cache(maxsize=256)
def _choices(recipe_text: str) -> tuple[Recipe, Mapping[str, tuple[FormatName, ...]]]:
    recipe = parse_recipe(orjson.loads(recipe_text))
    return recipe, recipe.choices()


def _family(variant: Variant) -> str | None:
    """`default` of default-webp; None where the name does not end with the format."""
    ending = f"-{variant.format}"
    return variant.name.removesuffix(ending) if variant.name.endswith(ending) else None


def _liked_best(formats: Sequence[str], accept: str) -> int:
    """Which one: the first of the best; if nothing fits the last, which is for all others.

    That is better than 406: a picture that may not show is better than none.
    """
    ranges, last = _ranges(accept), len(formats) - 1
    weights = [_quality(one, ranges, is_for_all=place == last) for place, one in enumerate(formats)]
    best = max(weights)
    return weights.index(best) if best > 0 else last


def _quality(media_format: str, ranges: Mapping[str, float], *, is_for_all: bool) -> float:
    named = ranges.get(MEDIA_TYPES[media_format])
    if named is not None:
        return named
    if not (is_for_all or media_format in _KNOWN_TO_ALL):
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
