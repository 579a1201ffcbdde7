"""The HTML that shows a responsive job: a <picture> whose browser chooses format and width."""

import re
from html import escape

from server.jobs.job import Job, Variant
from server.jobs.links import Links

# As pool/variants.py names them.
RESPONSIVE = re.compile(r"w[0-9]+-(jpeg|png|webp|avif|gif|tiff)")


def picture_element(job: Job, links: Links) -> str | None:
    """Ready for a page; `sizes` and `alt` are for its author to fill. None without such variants.

    Sources stand as the recipe has its formats; the last of them is the <img> for all others.
    """
    by_format: dict[str, list[Variant]] = {}
    for variant in job.variants:
        if (found := RESPONSIVE.fullmatch(variant.name)) and found[1] == variant.format:
            by_format.setdefault(variant.format, []).append(variant)
    if not by_format:
        return None
    *sources, fallback = by_format.values()
    lines = [
        f'  <source type="image/{variants[0].format}" {_candidates(job, variants, links)}>'
        for variants in sources
    ]
    return "\n".join(["<picture>", *lines, f"  {_image(job, fallback, links)}", "</picture>"])


def _image(job: Job, variants: list[Variant], links: Links) -> str:
    largest = max(variants, key=lambda variant: variant.width)
    colour = f' style="background:{escape(job.look.dominant_colour)}"' if job.look else ""
    return (
        f'<img src="{_address(job, largest, links)}" {_candidates(job, variants, links)}'
        f' width="{largest.width}" height="{largest.height}"'
        f' alt="" loading="lazy" decoding="async"{colour}>'
    )


def _candidates(job: Job, variants: list[Variant], links: Links) -> str:
    """Each width once: of a picture narrower than asked several variants have the same."""
    by_width = {variant.width: variant for variant in reversed(variants)}
    candidates = ", ".join(
        f"{_address(job, variant, links)} {width}w" for width, variant in sorted(by_width.items())
    )
    return f'srcset="{candidates}" sizes="100vw"'


def _address(job: Job, variant: Variant, links: Links) -> str:
    return escape(links.image(job, variant.name))
