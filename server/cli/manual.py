"""What stands below each command's --help: examples, environment, exit codes."""

from collections.abc import Mapping, Sequence

_CLIENT = {
    "SAFELIGHT_URL": "the server, like --server",
    "SAFELIGHT_KEY": "the API key",
    "SAFELIGHT_KEY_FILE": "a file with it",
}
PROMPT = "$ "


def manual(*examples: str, exit_codes: Mapping[int, str] | None = None, asks: bool = False) -> str:
    """The epilogue of a command; `asks`: it talks to a server."""
    parts = [_part("Examples", [f"[green]{PROMPT}{_escaped(one)}[/]" for one in examples])]
    if asks:
        parts.append(_part("Environment", _listed(_CLIENT)))
    if exit_codes:
        codes = {str(code): why for code, why in exit_codes.items()}
        parts.append(_part("Exit codes", _listed(codes)))
    return "\n\n".join(parts)


def _part(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"[bold]{title}[/]", *(f"  {line}" for line in lines)])


def _listed(entries: Mapping[str, str]) -> Sequence[str]:
    width = max(map(len, entries))
    return [f"[cyan]{name:<{width}}[/]  {why}" for name, why in entries.items()]


def _escaped(text: str) -> str:
    """Square brackets would be taken for a style."""
    return text.replace("[", "\\[")
