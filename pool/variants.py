"""The files to write: what a client may say of each, and each with every value filled in."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from pool.complaint import quoted
from pool.formats import FORMATS, FormatName
from pool.steps import Resize, Settings
from pool.steps.step import Side

AskedFormat = Literal["auto", FormatName]


def _checked_quality(value: object) -> object:
    """In one sentence, where pydantic would complain of each branch by itself."""
    if value is None or value == "auto" or (type(value) is int and 1 <= value <= 100):
        return value
    wanted = "expected an integer from 1 to 100 or 'auto', got {got}"
    raise PydanticCustomError("whole", wanted, {"got": quoted(value)})


Quality = Annotated[
    Annotated[int, Field(ge=1, le=100)] | Literal["auto"], BeforeValidator(_checked_quality)
]
MaxBytes = Annotated[int, Field(ge=100, le=1 << 30, json_schema_extra={"unit": "bytes"})]
IN_PLACE = "In place of the recipe's."


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
    format: AskedFormat | None = Field(default=None, description=IN_PLACE)
    quality: Quality | None = Field(default=None, description=IN_PLACE)
    lossless: bool | None = Field(default=None, description=IN_PLACE)
    max_bytes: MaxBytes | None = Field(default=None, alias="maxBytes", description=IN_PLACE)


class Responsive(Settings):
    """One variant for every width and format, named such as w800-webp."""

    # strict=False only lets a JSON list become a tuple; what is in it stays strict.
    widths: Annotated[tuple[Side, ...], Field(strict=False, min_length=1, max_length=10)] = Field(
        description="Widths; a resize with both sides keeps its ratio at each of them.",
        examples=[[320, 640, 1280]],
    )
    formats: Annotated[
        tuple[FormatName, ...], Field(strict=False, min_length=1, max_length=len(FORMATS))
    ] = Field(
        default=("avif", "webp", "jpeg"),
        description="Best first: a browser takes the first it knows; the last is for all others.",
    )

    @field_validator("widths", "formats")
    @classmethod
    def _differ(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        return refuse_twice(values)

    def variants(self, resize: Resize | None) -> tuple[Variant, ...]:
        """One for each, in the ratio of the recipe's own resize."""
        return tuple(
            Variant(name=responsive_name(width, format), resize=_wide(resize, width), format=format)
            for format in self.formats
            for width in self.widths
        )


def refuse_twice(values: tuple[object, ...]) -> tuple[object, ...]:
    """The values, which must differ."""
    for value in values:
        if values.count(value) > 1:
            wanted = "expected values that differ, got {value} more than once"
            raise PydanticCustomError("whole", wanted, {"value": quoted(value)})
    return values


def in_each_format(variant: Variant, formats: tuple[FormatName, ...]) -> tuple[Variant, ...]:
    """One for each format to choose from, named such as default-webp."""
    return tuple(
        variant.model_copy(update={"name": f"{variant.name}-{format}", "format": format})
        for format in formats
    )


def responsive_name(width: int, format: FormatName) -> str:
    return f"w{width}-{format}"


def _wide(resize: Resize | None, width: int) -> Resize:
    if resize is None:
        return Resize(width=width)
    height = None
    if resize.width and resize.height:
        height = max(1, round(resize.height * width / resize.width))
    return resize.model_copy(update={"width": width, "height": height})


@dataclass(frozen=True, slots=True)
class WrittenVariant:
    """A variant with every inherited or default value filled in; quality None: no use for it."""

    name: str
    resize: Resize | None
    format: FormatName
    quality: int | Literal["auto"] | None
    is_lossless: bool = False
    max_bytes: int | None = None
    is_auto: bool = False  # format "auto": `format` is its usual meaning, a plan has the last word
    is_open: bool = False  # and nothing said of quality: the pixels decide whether without loss
    choice_of: str | None = None  # one of several formats of the variant that the recipe names
