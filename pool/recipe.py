"""The recipe: what a client wants done with a picture, checked."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pool.complaint import complaint
from pool.formats import AUTO, FORMATS, FormatName
from pool.steps import STEPS, Steps
from pool.variants import (
    AskedFormat,
    MaxBytes,
    Quality,
    Responsive,
    Variant,
    WrittenVariant,
    in_each_format,
    refuse_twice,
)

__all__ = ["Recipe", "RecipeError", "Variant", "WrittenVariant", "parse_recipe"]

MAX_VARIANTS = 16
MAX_OUTPUTS = 32  # with those of `responsive`
MAX_PAGE = 100_000
DEFAULT_VARIANT = "default"

QUALITY_TEXT = (
    "1 is smallest, 100 best; each format has its own default; png, gif and tiff have no use for "
    "it. auto is the lowest at which this picture still looks right."
)
NEGOTIATE_TEXT = (
    "Where format is auto: a file in each of these, best first. Who asks for the picture gets the "
    "first that its Accept names, and the last if it names none."
)
ON_ASK_TEXT = (
    "Of several formats to negotiate only the last is made at once; each other is made when "
    "somebody asks for the picture who would get it."
)
EFFORT_TEXT = "best is a tenth smaller, at several times the work."


def _grouped(schema: dict[str, Any]) -> None:
    """Say of each field whether it is a step: a form draws them apart."""
    for name, field in schema["properties"].items():
        field["group"] = "step" if name in STEPS else "output"


class Recipe(Steps):
    """The steps to take, and the files to write."""

    model_config = ConfigDict(json_schema_extra=_grouped)

    background: Annotated[
        str,
        Field(pattern=r"^#[0-9a-fA-F]{6}$", examples=["#ffffff"]),
        AfterValidator(str.lower),
    ] = Field(
        default="#ffffff",
        description="Colour of padding, and under transparent parts where a format has none.",
    )
    color: Literal["srgb", "p3"] = Field(
        default="srgb",
        description="Colour space of the files; p3 is wider, and its profile is embedded.",
    )
    page: Annotated[int, Field(ge=0, le=MAX_PAGE)] | None = Field(
        default=None,
        description="One page of a document or frame of an animation, from 0. Without it: the "
        "first page, and all frames where the format can show them.",
    )
    format: AskedFormat = Field(
        default="auto",
        description=f"Kind of file to write. auto is {AUTO}, without loss for pictures of few "
        "colours; where it is too long for that, jpeg, or png with transparency.",
    )
    # strict=False only lets a JSON list become a tuple; what is in it stays strict.
    negotiate: Annotated[tuple[FormatName, ...], Field(strict=False, max_length=len(FORMATS))] = (
        Field(default=(), description=NEGOTIATE_TEXT, examples=[["avif", "webp", "jpeg"]])
    )
    negotiate_on_ask: bool = Field(default=False, alias="negotiateOnAsk", description=ON_ASK_TEXT)
    quality: Quality | None = Field(default=None, description=QUALITY_TEXT)
    lossless: bool = Field(
        default=False, description="Every pixel as it is: webp, avif; png and tiff always are."
    )
    max_bytes: MaxBytes | None = Field(
        default=None,
        alias="maxBytes",
        description="The most a file may have; quality is lowered to fit it, the size never.",
    )
    progressive: bool = Field(
        default=False, description="jpeg that appears whole at once and then sharpens."
    )
    palette: bool = Field(default=False, description="png of at most 256 colours.")
    effort: Literal["normal", "best"] = Field(default="normal", description=EFFORT_TEXT)
    metadata: Literal["strip", "keep"] = Field(
        default="strip",
        description="strip writes none; keep takes EXIF (with its place), XMP, IPTC over.",
    )
    # strict=False only lets a JSON list become a tuple; what is in it stays strict.
    variants: Annotated[tuple[Variant, ...], Field(strict=False, max_length=MAX_VARIANTS)] = Field(
        default=(), description="Several files from one picture; none means one, 'default'."
    )
    responsive: Responsive | None = Field(
        default=None, description="More variants: every width in every format, for <picture>."
    )

    @field_validator("negotiate")
    @classmethod
    def _differ(cls, formats: tuple[FormatName, ...]) -> tuple[object, ...]:
        return refuse_twice(formats)

    @field_validator("variants")
    @classmethod
    def _have_different_names(cls, variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
        _refuse_twice([variant.name for variant in variants])
        return variants

    @model_validator(mode="after")
    def _outputs_are_possible(self) -> Self:
        outputs = self.outputs()
        if len(outputs) > MAX_OUTPUTS:
            wanted = "expected at most {most} files in all, got {got}"
            raise PydanticCustomError("whole", wanted, {"most": MAX_OUTPUTS, "got": len(outputs)})
        _refuse_twice([output.name for output in outputs])
        for output in outputs:
            if output.is_lossless and not FORMATS[output.format].can_be_lossless:
                wanted = "expected a format that can be lossless with lossless, got {format}"
                raise PydanticCustomError("whole", wanted, {"format": output.format})
        return self

    def outputs(self) -> tuple[WrittenVariant, ...]:
        """What will be written: the variants and the responsive ones, or one named default."""
        variants = self.variants
        if self.responsive is not None:
            variants += self.responsive.variants(self.resize)
        return tuple(
            written
            for variant in variants or (Variant(name=DEFAULT_VARIANT),)
            for written in self._written(variant)
        )

    def choices(self) -> dict[str, tuple[FormatName, ...]]:
        """The variants of which there are several formats to choose from, and these."""
        if not self.negotiate:
            return {}
        variants = self.variants or (Variant(name=DEFAULT_VARIANT),)
        open_to = [one.name for one in variants if (one.format or self.format) == "auto"]
        return dict.fromkeys(open_to, self.negotiate)

    def alone(self, name: str, format: FormatName) -> Self:
        """What makes one of these variants in one of its formats, the same as all at once do."""
        variants = tuple(one for one in self.variants if one.name == name)
        only = {"variants": variants, "negotiate": (format,), "responsive": None}
        return self.model_copy(update=only | {"negotiate_on_ask": False})

    def background_colour(self) -> tuple[int, int, int]:
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue

    def canonical(self) -> str:
        """Stable JSON, defaults left out, keys sorted: equal recipes give equal text."""
        return _canonical(self)

    def as_said(self) -> dict[str, Any]:
        """As `options` have it, defaults left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def _written(self, variant: Variant) -> Iterator[WrittenVariant]:
        """The variant, or a choice of it in each format to negotiate."""
        if not self.negotiate or (variant.format or self.format) != "auto":
            yield self._filled(variant)
            return
        for one in in_each_format(variant, self.negotiate):
            written = self._filled(one)
            # Without loss only this one makes drawings smaller, and it keeps the name's format.
            is_unsaid = (variant.quality or self.quality) is None and not written.is_lossless
            is_open = one.format == AUTO and is_unsaid
            yield replace(written, is_open=is_open, choice_of=variant.name)

    def _filled(self, variant: Variant) -> WrittenVariant:
        asked = variant.format or self.format
        name: FormatName = AUTO if asked == "auto" else asked
        default = FORMATS[name].quality
        wanted = variant.quality or self.quality
        is_lossless = self.lossless if variant.lossless is None else variant.lossless
        return WrittenVariant(
            name=variant.name,
            resize=variant.resize or self.resize,
            format=name,
            quality=None if default is None or is_lossless else wanted or default,
            is_lossless=is_lossless,
            max_bytes=variant.max_bytes or self.max_bytes,
            is_auto=asked == "auto",
            is_open=asked == "auto" and wanted is None and not is_lossless,
        )


def _refuse_twice(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            wanted = "expected names that differ, got {name} more than once"
            raise PydanticCustomError("whole", wanted, {"name": repr(name)})


class RecipeError(ValueError):
    """A recipe that cannot be taken: `path` names the value, `detail` what was wanted and came."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(detail)
        self.path = path
        self.detail = detail

    def __reduce__(self) -> tuple[type["RecipeError"], tuple[str, str]]:
        return RecipeError, (self.path, self.detail)


@lru_cache(maxsize=64)
def _canonical(recipe: Recipe) -> str:
    return json.dumps(recipe.as_said(), sort_keys=True, separators=(",", ":"))


@cache
def _schema() -> dict[str, Any]:
    return Recipe.model_json_schema()


def parse_recipe(value: object) -> Recipe:
    """A decoded JSON value as a recipe; the first thing wrong in it raises RecipeError."""
    try:
        return Recipe.model_validate(value)
    except ValidationError as error:
        path, detail = complaint(error, _schema())
        raise RecipeError(path, detail) from error
