"""Fuzzing with atheris (the dependency group `fuzz`): one reader of strangers' bytes at a time.

    python tests/fuzz/harness.py                      every target, a minute each
    python tests/fuzz/harness.py --seconds 600 yaml   one target, ten minutes

Each target runs in a process of its own, which ends at the first fault: the input is kept in
`tests/fuzz/cases/<target>/`, where the tests replay it for ever, and the next one begins.
Everything found that reaches new code is kept in --corpus, so a later run goes on from there.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER.parents[1]), str(FOLDER.parent)]

CASES = FOLDER / "cases"
SHARED = FOLDER.parents[1] / "../shared"
MOST_MEMORY = 2048
"""MiB of a process, interpreter and instrumentation among them."""

MOST_SECONDS = 60
"""For one input."""

_MOST_FAULTS = 10
_OURS = ["registry_core", "ctxmcp", "transports", "tomllib", "yaml"]


def main() -> int:
    """Fuzz what is named, or all of it; end with 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "ctxmcp-fuzz")
    given = parser.parse_args()
    import atheris

    with atheris.instrument_imports(include=_OURS):  # once, before anything of it is imported
        from fuzz.targets import TARGETS
    if unknown := set(given.targets) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    faults = [_run(name, given.seconds, given.corpus / name) for name in given.targets or TARGETS]
    return int(any(faults))


def _run(name: str, seconds: int, corpus: Path) -> int:
    """Fuzz one target; print runs, seconds and faults."""
    _fill(name, corpus)
    (CASES / name).mkdir(parents=True, exist_ok=True)
    began, runs, faults, left = time.monotonic(), 0, 0, seconds
    while left > 0 and faults < _MOST_FAULTS:
        code, said = _forked(
            name,
            *(str(corpus), str(CASES / name)),
            *(f"-max_total_time={left}", f"-artifact_prefix={CASES / name}/"),
            *(f"-rss_limit_mb={MOST_MEMORY}", f"-timeout={MOST_SECONDS}"),
            *(f"-dict={corpus.parent / 'tokens'}", "-max_len=65536", "-print_final_stats=1"),
        )
        found = re.search(r"number_of_executed_units: (\d+)", said)
        runs += int(found[1]) if found else 0
        left = round(seconds - (time.monotonic() - began))
        if code == 0:
            break
        faults += 1
        print(said[-4000:])
        if not runs:
            break
    if not any((CASES / name).iterdir()):
        (CASES / name).rmdir()
    print(f"{name}: {runs:,} runs in {time.monotonic() - began:.0f} s, {faults} faults", flush=True)
    return faults


def _fill(name: str, corpus: Path) -> None:
    from fuzz.seeds import TOKENS, real, seeds

    corpus.mkdir(parents=True, exist_ok=True)
    lines = ("".join(f"\\x{byte:02x}" for byte in token) for token in TOKENS if len(token) < 64)
    (corpus.parent / "tokens").write_text("".join(f'"{line}"\n' for line in lines))
    for number, seed in enumerate([*seeds()[name], *real(SHARED).get(name, [])]):
        (corpus / f"seed-{number}").write_bytes(seed)


def _forked(name: str, *arguments: str) -> tuple[int, str]:
    """Run libFuzzer, which ends the process that it is in; return its code and what it said."""
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            _fuzz(name, arguments)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode(errors="replace")


def _fuzz(name: str, arguments: tuple[str, ...]) -> None:
    import atheris

    from fuzz.seeds import seeds
    from fuzz.targets import TARGETS, attempt

    target = TARGETS[name]

    def once(data: bytes) -> None:
        attempt(target, data)

    for seed in seeds()[name]:  # compiles rules and opens what has to be, which takes its time
        once(seed)
    atheris.Setup([name, *arguments], once, enable_python_coverage=True)
    atheris.Fuzz()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
