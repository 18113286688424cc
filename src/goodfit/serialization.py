"""Read and write weights as safetensors and everything else as JSON; a file is written completely or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from goodfit.errors import InputError


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file completely or not at all, even if the program stops in between.

    Raises:
        OSError: it cannot be written, for instance to a full disk; the error names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def to_json(data: Any, indent: int | None = None) -> str:
    """Plain data as strict JSON; numbers that are not finite become text ("inf", "nan") that `float` reads back.

    >>> to_json({"bound": math.inf, "rows": [1, 0.5]})
    '{"bound": "inf", "rows": [1, 0.5]}'
    """
    return json.dumps(_finite(data), indent=indent, allow_nan=False, ensure_ascii=False)


def _finite(data: Any) -> Any:
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON."""
    write_bytes(path, to_json(data, indent=1).encode())


def read_json(path: Path) -> Any:
    """Read plain data from a JSON file.

    Raises:
        InputError: there is no such file, it cannot be read, or it does not hold JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"there is no file '{path}'; is this the folder of a run?") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"'{path}' is damaged ({error}); train again.") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Any = None) -> None:
    """Write tensors, and plain data in the header of the same file."""
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    header = {"format": "pt", "goodfit": to_json(metadata)}
    write_bytes(path, to_bytes(plain, metadata=header))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read the tensors and the plain data of a file. No code is run or imported.

    Raises:
        InputError: there is no such file, it cannot be read, or it is damaged.
    """
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; is this the folder of a run?")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads((file.metadata() or {}).get("goodfit", "null"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise InputError(f"'{path}' is damaged ({error}); train again.") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"'{path}' cannot be read ({error.strerror or error}); check its permissions.")
