"""`python -m tito` and the command `tito`: Ctrl-C is one line from the first moment."""

import sys


def main() -> None:
    """Run the command line and exit."""
    try:
        from tito import streams

        streams.prepare()
        from tito import cli
    except KeyboardInterrupt:  # while it was being imported
        print("Interrupted: nothing was begun.", file=sys.stderr)
        raise SystemExit(130) from None
    cli.main()


if __name__ == "__main__":
    main()
