"""The program `ctxmcp`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run what the command line says and end with its exit code."""
    from ctxmcp.cli import run  # noqa: PLC0415 - nothing is imported by looking at this module

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
