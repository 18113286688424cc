"""Run the Python blocks and the `goodfit …` commands of README.md, and the Python blocks of other pages.

Usage: python tools/readme.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from multiprocessing.pool import ThreadPool
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
"""Networks this small are slower on several threads, which would wait for each other."""
PAGES = ("docs/augmentation.md",)
"""Other pages whose Python blocks must run; their commands are not run, because they name files of the reader."""


def blocks(text: str, language: str) -> list[str]:
    """The fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    """The command lines that start with `goodfit`."""
    lines = "\n".join(blocks(text, "sh")).splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.startswith("goodfit ")]


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def run_in_order(runs: list[list[str]]) -> bool:
    """Run commands in an empty folder, one after another; print the first that fails."""
    with tempfile.TemporaryDirectory() as folder:
        for run in runs:
            done = subprocess.run(run, cwd=folder, env=ONE_THREAD, capture_output=True, text=True, check=False)
            if done.returncode:
                print(run[-1], done.stdout, done.stderr, sep="\n")
                return False
    return True


def main() -> int:
    """Run everything; stop at the first failure."""
    text = read("README.md")
    script, lines = "\n".join(blocks(text, "python")), commands(text)
    if not script or not lines:
        raise SystemExit("README.md has no Python block or no goodfit command; nothing was run")
    expected = "ignore:CubicPenalty:UserWarning"  # the example technique has no references
    groups = [[[sys.executable, "-W", "error", "-W", expected, "-c", script]]]
    groups += [[[sys.executable, "-W", "error", "-c", "\n".join(blocks(read(page), "python"))]] for page in PAGES]
    groups += [[["bash", "-c", line.replace("goodfit", f"{sys.executable} -m goodfit", 1)] for line in lines]]
    with ThreadPool(2) as pool:  # blocks and commands run in parallel; a command may need the ones before it
        if not all(pool.map(run_in_order, groups)):
            return 1
    print(
        f"README: {len(blocks(text, 'python'))} Python blocks and {len(lines)} commands run; {len(PAGES)} other pages"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
