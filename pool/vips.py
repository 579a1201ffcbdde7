"""How libvips is set in a child, and what its errors mean to a client."""

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


def prepare(concurrency: int) -> None:
    """Call once in a child, before the first picture."""
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
