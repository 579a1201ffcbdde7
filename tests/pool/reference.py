"""docs/recipe.md from the schema of the steps: python -m tests.pool.reference > docs/recipe.md"""

import json
from typing import Any

from pool.steps import STEPS, Steps

# Any: a JSON Schema is JSON of any shape.
Schema = dict[str, Any]

HEAD = """# The steps of a recipe

Each step is a key of the recipe (`options` of an upload, or a preset). They are done in the order
of this page, whatever their order in the JSON; a step that is left out is not done. A picture is
turned upright by its EXIF orientation before the first of them.

Lengths in pixels are those of the picture at that step: everything below `resize` counts in pixels
of the result. Colours are `#rrggbb`; where an opacity makes sense also `#rrggbbaa`, so that
`#00000000` is clear. What is clear in the end shows the recipe's `background` in formats that have
no transparency. Neighbours are mixed by their opacity, so that edges get no dark or coloured seam.

The sizes of all results are known before any work, but for `trim`, whose box is found in the
pixels: with it a result that is too large is refused by the worker and not at the upload.

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
        settings = _settings(field, schema)
        if settings is not None:
            parts.append(_table(settings, schema))
    return "\n".join(parts)


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


def _wanted(part: Schema) -> str:
    if "enum" in part:
        return ", ".join(f"`{choice}`" for choice in part["enum"])
    unit = f" {part['unit']}" if "unit" in part else ""
    match part["type"]:
        case "integer" | "number" as kind:
            word = "whole number" if kind == "integer" else "number"
            return f"{word}, {part['minimum']:g} to {part['maximum']:g}{unit}".replace(
                "6.55e+04", "65500"
            )
        case "boolean":
            return "`true` or `false`"
        case "string":
            return f"text like `{part['examples'][0]}`" if "examples" in part else "text"
    return "an object"


if __name__ == "__main__":
    print(reference(), end="")
