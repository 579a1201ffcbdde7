"""The recipe: what a client wants done with a picture, checked."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from pool.complaint import complaint
from pool.formats import AUTO, FORMATS, FormatName
from pool.steps import Resize, Settings, Steps

MAX_VARIANTS = 16
DEFAULT_VARIANT = "default"

AskedFormat = Literal["auto", FormatName]
Quality = Annotated[int, Field(ge=1, le=100)]
QUALITY_TEXT = "1 is smallest, 100 best; each format has its own default; png has no use for it."


class Variant(Settings):
    """One file to write; what it leaves out is taken from the recipe."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
            description="Small letters, digits, - and _, at most 32; part of the address.",
            examples=["small"],
        ),
    ]
    resize: Resize | None = Field(default=None, description="In place of the recipe's resize.")
    format: AskedFormat | None = Field(default=None, description="In place of the recipe's.")
    quality: Quality | None = Field(default=None, description="In place of the recipe's.")


@dataclass(frozen=True, slots=True)
class WrittenVariant:
    """A variant with every inherited or default value filled in; quality None: no use for it."""

    name: str
    resize: Resize | None
    format: FormatName
    quality: int | None


class Recipe(Steps):
    """The steps to take, and the files to write."""

    background: Annotated[
        str,
        Field(pattern=r"^#[0-9a-fA-F]{6}$", examples=["#ffffff"]),
        AfterValidator(str.lower),
    ] = Field(
        default="#ffffff",
        description="Colour of padding, and under transparent parts where a format has none.",
    )
    format: AskedFormat = Field(
        default="auto", description=f"Kind of file to write; auto is {AUTO} for now."
    )
    quality: Quality | None = Field(default=None, description=QUALITY_TEXT)
    metadata: Literal["strip", "keep"] = Field(
        default="strip",
        description="strip writes none; keep takes EXIF (with its place), XMP, IPTC over.",
    )
    # strict=False only lets a JSON list become a tuple; what is in it stays strict.
    variants: Annotated[tuple[Variant, ...], Field(strict=False, max_length=MAX_VARIANTS)] = Field(
        default=(), description="Several files from one picture; none means one, 'default'."
    )

    @field_validator("variants")
    @classmethod
    def _have_different_names(cls, variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
        names = [variant.name for variant in variants]
        for name in names:
            if names.count(name) > 1:
                wanted = "expected names that differ, got {name} more than once"
                raise PydanticCustomError("whole", wanted, {"name": repr(name)})
        return variants

    def outputs(self) -> tuple[WrittenVariant, ...]:
        """What will be written: the variants, or one named default."""
        return tuple(
            self._filled(variant) for variant in self.variants or (Variant(name=DEFAULT_VARIANT),)
        )

    def background_colour(self) -> tuple[int, int, int]:
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue

    def canonical(self) -> str:
        """Stable JSON, defaults left out, keys sorted: equal recipes give equal text."""
        said = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return json.dumps(said, sort_keys=True, separators=(",", ":"))

    def _filled(self, variant: Variant) -> WrittenVariant:
        asked = variant.format or self.format
        name: FormatName = AUTO if asked == "auto" else asked
        default = FORMATS[name].quality
        quality = None if default is None else variant.quality or self.quality or default
        return WrittenVariant(
            name=variant.name,
            resize=variant.resize or self.resize,
            format=name,
            quality=quality,
        )


class RecipeError(ValueError):
    """A recipe that cannot be taken: `path` names the value, `detail` what was wanted and came."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(detail)
        self.path = path
        self.detail = detail

    def __reduce__(self) -> tuple[type["RecipeError"], tuple[str, str]]:
        return RecipeError, (self.path, self.detail)


def parse_recipe(value: object) -> Recipe:
    """A decoded JSON value as a recipe; the first thing wrong in it raises RecipeError."""
    try:
        return Recipe.model_validate(value)
    except ValidationError as error:
        path, detail = complaint(error, Recipe.model_json_schema())
        raise RecipeError(path, detail) from error
