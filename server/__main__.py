"""`python -m server` and the `safelight` command. Light on purpose: children may import it."""


def main() -> None:
    """Run the command line."""
    from server.cli import run

    run()


if __name__ == "__main__":
    main()
