"""How libvips is set in a child, and what its errors mean to a client."""

import ctypes

import pyvips

from pool.fault import Fault

# All others stay blocked: SVG, PDF, ImageMagick and raw formats never meet a stranger's bytes.
LOADERS = (
    "VipsForeignLoadJpegFile",
    "VipsForeignLoadPngFile",
    "VipsForeignLoadWebpFile",
    "VipsForeignLoadHeifFile",
    "VipsForeignLoadNsgifFile",
    "VipsForeignLoadTiffFile",
)

# From malloc.h. Left alone, glibc raises the size from which it asks the kernel to 32 MiB as
# pictures come and go, and keeps what they leave: measured 230 to 370 MB, and 60 to 70 with this.
M_MMAP_THRESHOLD = -3
MMAP_THRESHOLD_BYTES = 1024 * 1024


def prepare(concurrency: int) -> None:
    """Call once in a child, before the first picture."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # musl has none, and gives memory back by itself
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
    pyvips.concurrency_set(concurrency)
    # Pictures never come twice, so a cache of operations would only hold memory.
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in LOADERS:
        pyvips.operation_block_set(loader, False)
    pyvips.block_untrusted_set(True)


def decoding_fault(error: pyvips.Error) -> Fault:
    """An error while pixels were read; its text names files and libraries, so it stays inside."""
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    return Fault("corrupt_image", "the picture is damaged or cut off and cannot be decoded")


def encoding_fault(error: pyvips.Error) -> Fault:
    """An error while a finished picture was written: the disk, or a side no encoder can hold."""
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    return Fault("internal_error", "the finished picture could not be written")


def is_out_of_memory(error: pyvips.Error) -> bool:
    return "out of memory" in str(error).lower()


OUT_OF_MEMORY = Fault("out_of_memory", "there was not enough memory for this picture")
