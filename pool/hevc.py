"""Whether this libvips can decode HEIC: HEVC is patented, so that wheels leave its decoder out."""

from base64 import b64decode
from functools import cache

import pyvips

from pool.fault import Fault
from pool.vips import HEIC_MISSING

_LOADER = "VipsForeignLoadHeifBuffer"
# 16 x 16 pixels of one colour. Only an attempt tells: the decoder may be a plugin of the library.
_SAMPLE = b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAA"
    "AAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAADMAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMx"
    "AAAAAA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDA"
    "H//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEA"
    "BkQBwXPBiQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAEAAAAAEAAAAQAAAAAf"
    "///9AAAAAC////0AAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAO21kYXQAAAAvKAGv"
    "EyFkY0D1JyL//2q6n/rQWf9v9lhZ3K6AwVvy+sD2ZJvA86qRnoCHaacwFXg="
)


def missing_decoder(image: pyvips.Image) -> Fault | None:
    """Why the pixels of an opened HEIF picture cannot be had, before anybody waits for them."""
    kind = image.get("heif-compression") if image.get_typeof("heif-compression") else ""
    return HEIC_MISSING if kind == "hevc" and not _is_there() else None


@cache
def _is_there() -> bool:
    pyvips.operation_block_set(_LOADER, False)
    try:
        pyvips.Image.heifload_buffer(_SAMPLE).avg()
    except pyvips.Error:
        return False
    finally:
        pyvips.operation_block_set(_LOADER, True)
    return True
