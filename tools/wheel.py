"""Build the wheel, install it beside the environment's dependencies, and run the contract tests against it.

Usage: python tools/wheel.py
The source tree is not on the path of those tests; that the wheel is what they import is checked first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHERE = "import goodfit, sys; print(goodfit.__file__); sys.exit(not goodfit.__file__.startswith(sys.argv[1]))"


def main() -> int:
    """Build, install into a folder that comes first on the path, test."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        wheel = next(folder.glob("*.whl"))
        site = folder / "site"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
        subprocess.run(pip, check=True)
        shutil.copytree(ROOT / "tests", folder / "tests")
        shutil.copy(ROOT / "pyproject.toml", folder)
        environment = {**os.environ, "PYTHONPATH": str(site)}
        if subprocess.run(
            [sys.executable, "-c", WHERE, str(site)], cwd=folder, env=environment, check=False
        ).returncode:
            print("the tests would not import the wheel")
            return 1
        tests = [sys.executable, "-m", "pytest", "-n", "2", "tests/contract"]
        return subprocess.run(tests, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
