"""The face of the pool: all that the server may use. Importing it loads no picture library."""

from pool.ai.costs import seconds as network_seconds
from pool.ai.engines import NO_AI, Engines, Model, Used, models_of, needs_network
from pool.ai.engines import OWN as SHIPPED_MODELS
from pool.ai.engines import damaged as damaged_models
from pool.ai.engines import is_installed as ai_is_installed
from pool.ai.engines import runtime as ai_runtime
from pool.child import measure_networks
from pool.cost import group_kind, memory_bytes
from pool.engine import engine_version
from pool.fault import Fault, Refused
from pool.font import bundled as default_font
from pool.formats import FormatName
from pool.lane import ChildDied, Lane, LaneSettings, NotStarted
from pool.plan import announce, refusal
from pool.recipe import Recipe, RecipeError, Variant, parse_recipe
from pool.records import (
    Header,
    Lap,
    Limits,
    Look,
    Outcome,
    Output,
    ProbeTask,
    Progress,
    Stage,
    Task,
)
from pool.steps import Size

__all__ = [
    "NO_AI",
    "SHIPPED_MODELS",
    "ChildDied",
    "Engines",
    "Fault",
    "FormatName",
    "Header",
    "Lane",
    "LaneSettings",
    "Lap",
    "Limits",
    "Look",
    "Model",
    "NotStarted",
    "Outcome",
    "Output",
    "ProbeTask",
    "Progress",
    "Recipe",
    "RecipeError",
    "Refused",
    "Size",
    "Stage",
    "Task",
    "Used",
    "Variant",
    "ai_is_installed",
    "ai_runtime",
    "announce",
    "damaged_models",
    "default_font",
    "engine_version",
    "group_kind",
    "measure_networks",
    "memory_bytes",
    "models_of",
    "needs_network",
    "network_seconds",
    "parse_recipe",
    "refusal",
]
