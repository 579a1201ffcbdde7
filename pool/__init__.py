"""The face of the pool: all that the server may use. Importing it loads no picture library."""

from pool.cost import group_kind, memory_bytes
from pool.fault import Fault, Refused
from pool.lane import ChildDied, Lane, LaneSettings, NotStarted
from pool.plan import announce, refusal
from pool.recipe import Recipe, RecipeError, Variant, parse_recipe
from pool.records import (
    Header,
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
    "ChildDied",
    "Fault",
    "Header",
    "Lane",
    "LaneSettings",
    "Limits",
    "Look",
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
    "Variant",
    "announce",
    "group_kind",
    "memory_bytes",
    "parse_recipe",
    "refusal",
]
