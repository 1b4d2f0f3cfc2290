"""The program: chooses, opens and runs a registry, and works with one on a user's machine."""


def __getattr__(name: str) -> str:
    """Read `__version__` from the installed metadata when somebody asks: it is slow to find."""
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        return version("ctxmcp")
    raise AttributeError(name)
