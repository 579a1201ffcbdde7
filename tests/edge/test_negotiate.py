"""GET /image of a picture in several formats: the one that Accept likes best, as caches need it."""

import io

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from PIL import Image

from tests.edge.forms import upload
from tests.edge.pictures import jpeg

FORMATS = ["avif", "webp", "jpeg"]
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI_13 = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"
FIREFOX_PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest_asyncio.fixture
async def url(client: ClientSession) -> str:
    """A picture in three formats."""
    return await _made(client, jpeg(60, 40), {"negotiate": FORMATS})


async def _made(client: ClientSession, picture: bytes, options: object) -> str:
    answer = await upload(client, picture, options=options)
    assert answer["status"] == "completed"
    return str(answer["url"])


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (CHROME, "avif"),
        (FIREFOX_PAGE, "webp"),
        (SAFARI_13, "jpeg"),
        ("*/*", "jpeg"),
        ("", "jpeg"),
        ("image/*", "jpeg"),
        ("image/webp", "webp"),
        ("IMAGE/WEBP;Q=1", "webp"),
        ("image/avif;q=0.5, image/webp;q=0.9", "webp"),
        ("image/avif;q=0.5, image/webp ; q=0.5", "avif"),
        ("image/webp;q=0.5, */*;q=0.9", "jpeg"),
        ("image/avif;q=0, image/webp;q=0, */*", "jpeg"),
        ("image/jpeg;q=0, image/webp;q=0.1", "webp"),
        ("image/webp;q=much, image/avif;q=7", "jpeg"),
        ("image/webp;q=nan, */*;q=0.1", "jpeg"),
        ("text/html", "jpeg"),
        (",,;q=1,;", "jpeg"),
    ],
)
async def test_the_format_that_accept_likes_best_is_sent(
    client: ClientSession, url: str, accept: str, wanted: str
) -> None:
    async with client.get(url, headers={"Accept": accept}) as response:
        content = await response.read()

    assert response.headers["Content-Type"] == f"image/{wanted}"
    assert Image.open(io.BytesIO(content)).format == wanted.upper()
    assert response.headers["Content-Location"] == f"{url}/default-{wanted}"


async def test_accept_may_come_in_several_lines(client: ClientSession, url: str) -> None:
    lines = [("Accept", "text/html"), ("Accept", "image/avif")]
    async with client.get(url, headers=lines) as response:
        assert response.headers["Content-Type"] == "image/avif"


async def test_caches_are_told_on_what_the_choice_hangs(client: ClientSession, url: str) -> None:
    tags = {}
    for kind in FORMATS:
        async with client.get(url, headers={"Accept": f"image/{kind}"}) as response:
            tags[kind] = response.headers["ETag"]
            assert response.headers["Vary"] == "Accept"
        headers = {"Accept": f"image/{kind}", "If-None-Match": tags[kind]}
        async with client.get(url, headers=headers) as response:
            assert (response.status, response.headers["Vary"]) == (304, "Accept")
            assert response.headers["Content-Location"] == f"{url}/default-{kind}"
        async with client.get(f"{url}/default-{kind}") as response:
            assert response.headers["ETag"] == tags[kind]
            assert "Vary" not in response.headers
            assert "Content-Location" not in response.headers

    assert len(set(tags.values())) == 3
    assert not any(tag.startswith("W/") for tag in tags.values())


async def test_the_etag_of_another_format_does_not_match(client: ClientSession, url: str) -> None:
    async with client.head(url, headers={"Accept": "image/avif"}) as response:
        etag = response.headers["ETag"]
    headers = {"Accept": "image/webp", "If-None-Match": etag}
    async with client.get(url, headers=headers) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "image/webp")


async def test_each_variant_negotiates_by_its_own_name(client: ClientSession) -> None:
    options = {
        "negotiate": ["webp", "jpeg"],
        "variants": [{"name": "small", "resize": {"width": 8}}, {"name": "icon", "format": "png"}],
    }
    url = await _made(client, jpeg(60, 40), options)
    found = {}
    for path in ("", "/small", "/icon", "/small-webp"):
        async with client.get(f"{url}{path}", headers={"Accept": "image/webp"}) as response:
            found[path] = (response.headers["Content-Type"], "Vary" in response.headers)

    assert found == {
        "": ("image/webp", True),
        "/small": ("image/webp", True),
        "/icon": ("image/png", False),
        "/small-webp": ("image/webp", False),
    }


async def test_a_responsive_picture_negotiates_each_width(client: ClientSession) -> None:
    options = {"responsive": {"widths": [8, 16], "formats": ["webp", "png"]}}
    url = await _made(client, jpeg(60, 40), options)
    async with client.get(f"{url}/w16", headers={"Accept": "image/webp"}) as response:
        picture = Image.open(io.BytesIO(await response.read()))

    assert (picture.format, picture.width) == ("WEBP", 16)
    assert response.headers["Content-Location"] == f"{url}/w16-webp"


async def test_a_film_is_not_made_in_formats_without_frames(client: ClientSession) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "green", "blue")]
    film = io.BytesIO()
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:], duration=40)
    url = await _made(client, film.getvalue(), {"negotiate": FORMATS})
    for path in ("", "/default", "/default-webp"):
        async with client.get(f"{url}{path}", headers={"Accept": CHROME}) as response:
            picture = Image.open(io.BytesIO(await response.read()))
        assert (picture.format, getattr(picture, "n_frames", 1)) == ("WEBP", 3)


async def test_a_head_and_a_range_are_of_the_chosen_file(client: ClientSession, url: str) -> None:
    headers = {"Accept": "image/webp", "Range": "bytes=8-11"}
    async with client.get(url, headers=headers) as response:
        assert (response.status, await response.read()) == (206, b"WEBP")
        assert response.headers["Vary"] == "Accept"
    async with client.head(url, headers={"Accept": "image/webp"}) as response:
        assert response.headers["Content-Type"] == "image/webp"
