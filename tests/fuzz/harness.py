"""Fuzzing with atheris (the dependency group `fuzz`): one reader of strangers' bytes at a time.

    python tests/fuzz/harness.py                      every target, a minute each
    python tests/fuzz/harness.py --seconds 600 yaml   one target, ten minutes

Each target runs in a process of its own, which ends at the first fault: the input is kept in
`tests/fuzz/cases/<target>/`, where the tests replay it for ever, and the next one begins.
Everything found that reaches new code is kept in --corpus, so a later run goes on from there.
"""

from __future__ import annotations

import argparse
import re
import subprocess
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


def main() -> int:
    """Fuzz what is named, or all of it; end with 1 where something was found."""
    from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "ctxmcp-fuzz")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given, more = parser.parse_known_args()
    if given.child:
        return _child(given.targets[0], more)
    faults = [_run(name, given.seconds, given.corpus / name) for name in given.targets or TARGETS]
    return int(any(faults))


def _run(name: str, seconds: int, corpus: Path) -> int:
    """Fuzz one target; print runs, seconds and faults."""
    from fuzz.seeds import TOKENS, real, seeds

    corpus.mkdir(parents=True, exist_ok=True)
    words = corpus.parent / "tokens"
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS if len(token) < 64))
    for number, seed in enumerate([*seeds()[name], *real(SHARED).get(name, [])]):
        (corpus / f"seed-{number}").write_bytes(seed)
    (CASES / name).mkdir(parents=True, exist_ok=True)
    began, runs, faults, left = time.monotonic(), 0, 0, seconds
    while left > 0 and faults < _MOST_FAULTS:
        done = subprocess.run(
            [
                *(sys.executable, __file__, name, "--child", str(corpus), str(CASES / name)),
                *(f"-max_total_time={left}", f"-artifact_prefix={CASES / name}/"),
                *(f"-rss_limit_mb={MOST_MEMORY}", f"-timeout={MOST_SECONDS}"),
                *(f"-dict={words}", "-max_len=65536", "-print_final_stats=1", "-verbosity=1"),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        found = re.search(r"number_of_executed_units: (\d+)", done.stderr)
        runs += int(found[1]) if found else 0
        left = round(seconds - (time.monotonic() - began))
        if done.returncode == 0:
            break
        faults += 1
        print(done.stderr[-4000:])
        if not runs:
            break
    _prune(CASES / name)
    print(f"{name}: {runs:,} runs in {time.monotonic() - began:.0f} s, {faults} faults", flush=True)
    return faults


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def _prune(folder: Path) -> None:
    """Remove the folder of a target in which nothing was found."""
    if not any(folder.iterdir()):
        folder.rmdir()


def _child(name: str, arguments: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["registry_core", "ctxmcp", "transports"]):
        from fuzz.seeds import seeds
        from fuzz.targets import TARGETS, attempt

    target = TARGETS[name]

    def once(data: bytes) -> None:
        attempt(target, data)

    for seed in seeds()[name]:  # compiles rules and opens what has to be, which takes its time
        once(seed)

    atheris.Setup([sys.argv[0], *arguments], once, enable_python_coverage=True)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
