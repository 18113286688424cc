"""Build the wheel, install it, import every module of it, and run README.md with it.

Usage: python tools/wheel.py
The wheel is installed into a folder of its own, which comes before the source tree on the path.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORT_ALL = """
import importlib, pkgutil, sys
import goodfit
assert goodfit.__file__.startswith(sys.argv[1]), f"this is not the wheel: {goodfit.__file__}"
names = [module.name for module in pkgutil.walk_packages(goodfit.__path__, "goodfit.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(f"wheel: {len(names)} modules imported")
"""


def main() -> int:
    """Build, install, import, run; the first failure ends it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        site = folder / "site"
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
        subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        wheel = next(folder.glob("*.whl"))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
        subprocess.run(pip, check=True)
        environment = {**os.environ, "PYTHONPATH": str(site)}
        for arguments in (["-W", "error", "-c", IMPORT_ALL, str(site)], [str(ROOT / "tools" / "readme.py")]):
            done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=False)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
