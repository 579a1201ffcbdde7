"""docs/recipe.md from the schema of the steps: python -m tests.pool.reference > docs/recipe.md"""

import json
from typing import Any

from pool.recipe import Recipe
from pool.steps import STEPS, Steps

# Any: a JSON Schema is JSON of any shape.
Schema = dict[str, Any]

HEAD = """# The recipe

What may stand in `options` of an upload, or in a preset: [steps](#trim), what is done with the
pixels, and [what comes out](#what-comes-out), the files that are made. What is misspelled or out of
its bounds is refused with a sentence that names it.

Each step is a key of the recipe (`options` of an upload, or a preset). They are done in the order
of this page, whatever their order in the JSON; a step that is left out is not done. A picture is
turned upright by its EXIF orientation before the first of them.

Lengths in pixels are those of the picture at that step: everything below `resize` counts in pixels
of the result. Colours are `#rrggbb`; where an opacity makes sense also `#rrggbbaa`, so that
`#00000000` is clear. What is clear in the end shows the recipe's `background` in formats that have
no transparency. Neighbours are mixed by their opacity, so that edges get no dark or coloured seam.

The sizes of all results are known before any work, but for `trim`, whose box is found in the
pixels: with it a result that is too large is refused by the worker and not at the upload.

In the pictures the left half is what the step was given, the right what came; they are made by a
worker's own code (`make recipe-pictures`; photograph: Rachel Michetti, CC0), a few with stronger
settings than the example has. Squares show what is clear.

This page is made from the schema (`GET /schema/recipe` has all of it):
`python -m tests.pool.reference > docs/recipe.md`
"""

EXAMPLES: dict[str, object] = {
    "trim": {"threshold": 10},
    "crop": {"aspect": "16:9", "gravity": "attention"},
    "upscale": {"factor": 2},
    "resize": {"width": 800, "height": 600, "fit": "cover"},
    "rotate": {"angle": 12.5, "color": "#00000000"},
    "flip": True,
    "flop": True,
    "flatten": {"color": "#ffffff"},
    "enhance": {"strength": 0.8},
    "denoise": {"strength": 12},
    "normalise": True,
    "clahe": {"window": 64, "maxSlope": 3},
    "gamma": 1.4,
    "adjust": {"brightness": 1.1, "contrast": 1.05, "saturation": 1.2, "hue": -10},
    "grayscale": True,
    "sepia": True,
    "tint": {"color": "#a05028"},
    "blur": {"sigma": 4},
    "sharpen": {"sigma": 1, "amount": 0.8},
    "pixelate": {"block": 12, "region": {"x": 10, "y": 20, "width": 80, "height": 40}},
    "pad": {"aspect": "1:1", "color": "#f0f0f0"},
    "watermark": {"asset": "logo", "scale": 0.2, "opacity": 0.6},
    "text": {"text": "© 2026", "size": 24, "strokeWidth": 2},
    "round": {"radius": 24},
}


def reference() -> str:
    schema = Steps.model_json_schema()
    parts = [HEAD]
    for name in STEPS:
        field = schema["properties"][name]
        example = json.dumps({name: EXAMPLES[name]}, ensure_ascii=False)
        parts.append(f"## {name}\n\n{field['description']}{_about(field, schema)}\n\n`{example}`\n")
        parts.append(f"![{name}: before and after](recipe-pictures/{name}.webp)\n")
        settings = _settings(field, schema)
        if settings is not None:
            parts.append(_table(settings, schema))
    return "\n".join([*parts, _outputs()])


OUTPUT = """## What comes out

Keys of the recipe beside its steps. `variants` makes several files from one decode, each with a
size and a format of its own where it has one; `responsive` makes the widths and formats of a
`<picture>`, whose HTML the answer has as `html`.

`{"format": "avif", "quality": 55}`
`{"variants": [{"name": "small", "resize": {"width": 320}}, {"name": "large", "quality": 85}]}`
`{"responsive": {"widths": [320, 800, 1600], "formats": ["avif", "webp", "jpeg"]}}`
`{"negotiate": ["avif", "webp", "jpeg"], "resize": {"width": 800}}`
"""


def _outputs() -> str:
    """The recipe's own keys, and those of its variants and widths."""
    schema = Recipe.model_json_schema(by_alias=True)
    parts = [OUTPUT.replace("`\n`", "`\n\n`")]
    parts.append(_rows("key", schema["properties"], schema))
    for name, about in (("Variant", "variants"), ("Responsive", "responsive")):
        part = schema["$defs"][name]
        known = ", ".join(f"`{step}`" for step in part["properties"] if step in STEPS)
        parts.append(f"### {about}\n" + (f"\nSteps that it may have: {known}.\n" if known else ""))
        parts.append(_rows(f"key of `{about}`", part["properties"], part))
    return "\n".join(parts)


def _rows(head: str, properties: Schema, holder: Schema) -> str:
    rows = [f"| {head} | takes | default | |", "|---|---|---|---|"]
    for name, field in properties.items():
        if name not in STEPS:
            is_needed = name in holder.get("required", ())
            default = "needed" if is_needed else _default(field.get("default"))
            rows.append(f"| `{name}` | {_either(field)} | {default} | {field['description']} |")
    return "\n".join(rows) + "\n"


def _either(field: Schema) -> str:
    """Of several kinds each, without null."""
    branches = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
    return " or ".join(_kind(one) for one in branches)


def _kind(part: Schema) -> str:
    if "$ref" in part:
        return "an object, see below"
    if "const" in part:
        return f"`{part['const']}`"
    if part.get("type") != "array":
        return _wanted(part)
    most = f" of at most {part['maxItems']}" if "maxItems" in part else ""
    if "$ref" in part["items"]:
        return f"list{most}, see below"
    return f"list{most}: {_wanted(part['items'])}"


def plain(part: Schema, schema: Schema) -> Schema:
    """Without the branch for null, references followed; what stands beside them is kept."""
    beside = {key: value for key, value in part.items() if key not in ("anyOf", "$ref")}
    if "anyOf" in part:
        part = next(branch for branch in part["anyOf"] if branch.get("type") != "null")
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return {**part, **beside}


def _settings(field: Schema, schema: Schema) -> Schema | None:
    return (
        plain({k: v for k, v in field.items() if k != "description"}, schema)
        if (plain(field, schema).get("type") == "object")
        else None
    )


def _about(field: Schema, schema: Schema) -> str:
    settings = _settings(field, schema)
    if settings is None:
        kind = plain(field, schema)
        return f" Takes {_wanted(kind)}."
    return " " + " ".join(settings["description"].split())


def _table(settings: Schema, schema: Schema) -> str:
    rows = ["| setting | takes | default | |", "|---|---|---|---|"]
    for name, field in settings["properties"].items():
        part = plain(field, schema)
        is_needed = name in settings.get("required", ())
        default = "needed" if is_needed else _default(field.get("default"))
        rows.append(f"| `{name}` | {_wanted(part)} | {default} | {part['description']} |")
        if part.get("type") == "object":
            inner = plain({k: v for k, v in field.items() if k != "description"}, schema)
            rows += [
                f"| `{name}.{key}` | {_wanted(value)} | "
                f"{'needed' if key in inner.get('required', ()) else _default(value['default'])} | "
                f"{value['description']} |"
                for key, value in inner["properties"].items()
            ]
    return "\n".join(rows) + "\n"


def _default(value: object) -> str:
    return "none" if value is None else f"`{json.dumps(value)}`"


def _figure(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"


def _wanted(part: Schema) -> str:
    if "enum" in part:
        return ", ".join(f"`{choice}`" for choice in part["enum"])
    unit = f" {part['unit']}" if "unit" in part else ""
    match part["type"]:
        case "integer" | "number" as kind:
            word = "whole number" if kind == "integer" else "number"
            return f"{word}, {_figure(part['minimum'])} to {_figure(part['maximum'])}{unit}"
        case "boolean":
            return "`true` or `false`"
        case "string":
            return f"text like `{part['examples'][0]}`" if "examples" in part else "text"
    return "an object"


if __name__ == "__main__":
    print(reference(), end="")
