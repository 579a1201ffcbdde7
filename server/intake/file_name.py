"""File names that clients send: for people to read, and never a path."""

_MAX_LENGTH = 255


def clean_name(name: str) -> str:
    """The last part of a name without what cannot be printed; "" when nothing is left."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(letter for letter in last if letter.isprintable()).strip()
    return printable[:_MAX_LENGTH]
