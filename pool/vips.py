"""How libvips is set in a child, and what its errors mean to a client."""

import ctypes

import pyvips

from pool.fault import Fault

# All others stay blocked: SVG, PDF, ImageMagick and raw formats never meet a stranger's bytes.
LOADERS = (
    "VipsForeignLoadJpegFile",
    "VipsForeignLoadJpegBuffer",
    "VipsForeignLoadPngFile",
    "VipsForeignLoadWebpFile",
    "VipsForeignLoadHeifFile",
    "VipsForeignLoadNsgifFile",
    "VipsForeignLoadTiffFile",
)

DRAWING_LOADER = "VipsForeignLoadSvgBuffer"

# From malloc.h. libvips starts threads all the time, and glibc gives each a heap of its own
# that keeps what pictures leave: measured 260 to 380 MB, 80 to 120 with one heap, in no more time.
# (A fixed M_MMAP_THRESHOLD of 1 MiB leaves 60 to 80, and costs a tenth more CPU in page faults.)
M_ARENA_MAX = -8
HEAPS = 1


# What libvips, and the JPEG and PNG libraries, say when malloc gives nothing.
NO_MEMORY = ("out of memory", "insufficient memory", "cannot allocate")


def prepare(concurrency: int) -> None:
    """Call once in a child, before the first picture."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc only
        libc.mallopt(M_ARENA_MAX, HEAPS)
    pyvips.concurrency_set(concurrency)
    # Pictures never come twice, so a cache of operations would only hold memory.
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in LOADERS:
        pyvips.operation_block_set(loader, False)
    pyvips.block_untrusted_set(True)


def allow_drawings() -> None:
    """Unblock SVG: for a task whose limits take it, and from memory alone."""
    pyvips.operation_block_set(DRAWING_LOADER, False)


def decoding_fault(error: pyvips.Error) -> Fault:
    """An error while pixels were read; its text names files and libraries, so it stays inside."""
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    if "not been built in" in str(error):  # asked before, but not of every page
        return HEIC_MISSING
    return Fault("corrupt_image", "the picture is damaged or cut off and cannot be decoded")


def encoding_fault(error: pyvips.Error) -> Fault:
    """An error while a finished picture was written: the disk, or a side no encoder can hold."""
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    return Fault("internal_error", "the finished picture could not be written")


def is_out_of_memory(error: pyvips.Error) -> bool:
    return any(words in str(error).lower() for words in NO_MEMORY)


OUT_OF_MEMORY = Fault("out_of_memory", "there was not enough memory for this picture")
HEIC_MISSING = Fault(
    "unsupported_format",
    "this HEIC picture needs an HEVC decoder, which this server does not have; send JPEG, PNG, WebP"
    " or AVIF (an iPhone sends JPEG when its camera is set to Most Compatible)",
)
