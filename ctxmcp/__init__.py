"""The program: chooses, opens and runs a registry, and works with one on a user's machine."""

from importlib.metadata import version

__version__ = version("ctxmcp")
