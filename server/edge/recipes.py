"""GET /schema/recipe and /presets: what may be asked for, as the page's form is drawn from it."""

from aiohttp import web

from pool import Recipe
from server.config import Settings
from server.edge.reply import reply

_HEADERS = {"Cache-Control": "no-cache"}


class RecipeHandler:
    """Both are fixed while the server runs."""

    def __init__(self, settings: Settings) -> None:
        self._schema = Recipe.model_json_schema(by_alias=True)
        self._presets = {
            "presets": {name: recipe.as_said() for name, recipe in settings.presets.items()},
            "presetsOnly": settings.recipes.presets_only,
        }

    async def get_schema(self, _request: web.Request) -> web.Response:
        """What may stand in `options`, as JSON Schema."""
        return reply(self._schema, headers=_HEADERS)

    async def get_presets(self, _request: web.Request) -> web.Response:
        """The recipes that have a name."""
        return reply(self._presets, headers=_HEADERS)
