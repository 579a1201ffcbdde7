"""?download: the picture as a file, under a name that ends no header and names no folder."""

import re
from urllib.parse import unquote

import pytest
from aiohttp import ClientSession
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from server.edge.hosting.disposition import disposition
from tests.edge.pictures import jpeg

VALUE = re.compile(
    r'attachment; filename="([ !#-~]+)"(?:; filename\*=UTF-8\'\'([A-Za-z0-9%._~-]+))?'
)


def file_name(wanted: str, name: str = "cat.jpg", media_format: str = "webp") -> str:
    """What a browser that knows RFC 8187 calls the file."""
    found = VALUE.fullmatch(disposition(wanted, name, media_format))
    assert found is not None, disposition(wanted, name, media_format)
    plain, extended = found.groups()
    return unquote(extended, errors="strict") if extended else str(plain)


@pytest.mark.parametrize(
    ("wanted", "name", "expected"),
    [
        ("", "cat.jpg", "cat.webp"),
        ("", "cat", "cat.webp"),
        ("", "a.b.c.JPEG", "a.b.c.webp"),
        ("", "release-1.2", "release-1.2.webp"),
        ("dog", "cat.jpg", "dog.webp"),
        ("dog.webp", "cat.jpg", "dog.webp"),
        ("dog.exe", "cat.jpg", "dog.exe.webp"),
        ("dog.html", "cat.jpg", "dog.html.webp"),
        ("Grüße aus Köln.jpg", "", "Grüße aus Köln.webp"),
        ("猫", "", "猫.webp"),
        ("../../etc/passwd", "", "passwd.webp"),
        ("C:\\boot.ini", "", "boot.ini.webp"),
        ('a"; filename="b.exe', "", "a_; filename=_b.exe.webp"),
        ("a\r\nSet-Cookie: x=1", "", "aSet-Cookie_ x=1.webp"),
        ("....", "", "picture.webp"),
        ("/", "", "picture.webp"),
        (".htaccess", "", "htaccess.webp"),
        ("con", "", "_con.webp"),
        ("100%", "", "100_.webp"),
    ],
)
def test_the_name_is_cleaned_and_ends_as_the_format_does(
    wanted: str, name: str, expected: str
) -> None:
    assert file_name(wanted, name) == expected


@pytest.mark.parametrize(
    ("media_format", "expected"),
    [("jpeg", "cat.jpeg"), ("png", "cat.png"), ("tiff", "cat.tif"), ("avif", "cat.avif")],
)
def test_every_format_has_its_ending(media_format: str, expected: str) -> None:
    assert file_name("cat.jpeg", media_format=media_format) == expected


@given(wanted=st.text(max_size=400), name=st.text(max_size=300))
@example(wanted="\udc80", name="\ud800")
@example(wanted="é" * 300, name="")
def test_no_name_breaks_out_of_its_quotes(wanted: str, name: str) -> None:
    found = file_name(wanted, name)

    assert found.endswith(".webp") and not found.startswith(".")
    assert not set(found) & set('/\\"<>:|?*%\r\n\x00')
    assert len(found.encode()) <= 255
    assert found.removesuffix(".webp").strip("_ .") or found == "picture.webp"


async def test_a_picture_is_saved_under_the_name_it_came_with(client: ClientSession) -> None:
    asked = {"name": "Übermut.jpeg", "options": '{"format": "png"}'}
    headers = {"Content-Type": "image/jpeg"}
    async with client.post("/upload", params=asked, data=jpeg(), headers=headers) as response:
        url = (await response.json())["url"]
    told = {}
    for query in ("", "?download", "?download=x", "?download=%22%0d%0aX:%201"):
        async with client.get(URL(url + query, encoded=True)) as response:
            assert response.status == 200
            assert "X" not in response.headers
            told[query] = response.headers.get("Content-Disposition")
    async with client.get(f"{url}?download", headers={"Range": "bytes=0-3"}) as part:
        assert (part.status, part.headers["Content-Disposition"]) == (206, told["?download"])

    assert told == {
        "": None,
        "?download": "attachment; filename=\"_bermut.png\"; filename*=UTF-8''%C3%9Cbermut.png",
        "?download=x": 'attachment; filename="x.png"',
        "?download=%22%0d%0aX:%201": 'attachment; filename="_X_ 1.png"',
    }
