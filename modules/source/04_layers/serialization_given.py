"""Models on disk: tensors in safetensors, plain values beside them as JSON, in one file. Nothing is ever unpickled.

The file is an ordinary safetensors file: other programs can read the tensors under their own names. Its metadata
holds, under "structure", the nesting of the saved object. Writing is atomic: a temporary file beside the target,
flushed to the disk and renamed; whoever reads sees the old file or the new one, never half of one.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, TinyTorchError
from tinytorch.core.tensor import Tensor, from_array

#| face tinytorch: save, load

STRUCTURE = "structure"
DEEPEST = 100


def save(obj: Any, f: str | os.PathLike) -> None:
    """Write a state_dict, or any nest of dicts, lists, tuples, tensors, arrays, numbers, strings, bools and None.

    obj: what to save; anything else in it is refused before a byte is written. f: the path; a file there is replaced.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = _describe(obj, (), arrays)
    path = Path(os.path.realpath(f))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save: expected an existing folder for {path.name}, found no {path.parent}.")
    if path.is_dir():
        raise IsADirectoryError(f"save: expected the path of a file, found the folder {path}.")
    _write(path, arrays, {STRUCTURE: json.dumps(structure)})


def load(f: str | os.PathLike) -> Any:
    """Return what `save` wrote to the path `f`; of a safetensors file from elsewhere a dict of its tensors."""
    path = Path(f)
    if not path.is_file():
        raise FileNotFoundError(f"load: expected a file at {path}, found {'a folder' if path.is_dir() else 'none'}.")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        if STRUCTURE not in metadata:
            return {name: from_array(array) for name, array in arrays.items()}
        return _rebuild(json.loads(metadata[STRUCTURE]), arrays)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TinyTorchError(
            f"load: expected a whole file written by tinytorch.save, found {path.stat().st_size} bytes that are "
            f"damaged or of another format in {path} ({reason}). Save it again, or use an earlier copy."
        ) from error


# ---- from objects to a description and back
#
# A description is JSON. Plain values stand for themselves, lists too; everything else is {kind: content}.


def _describe(value: Any, place: tuple, arrays: dict[str, np.ndarray]) -> Any:
    if len(place) > DEEPEST:
        raise DTypeError(f"save: expected at most {DEEPEST} levels, found more: does the object contain itself?")
    if isinstance(value, Tensor):
        return {"tensor": _keep(value._array, place, arrays)}
    if isinstance(value, np.ndarray):
        return {"array": _keep(value, place, arrays)}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_describe(item, (*place, i), arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict):
        return {"dict": [_describe_entry(key, item, place, arrays) for key, item in value.items()]}
    raise DTypeError(
        f"save: expected tensors, numbers, strings, lists and dicts, found {type(value).__name__} at "
        f"{_name(place) or 'the top'}. Save model.state_dict(), not the model."
    )


def _describe_entry(key: Any, value: Any, place: tuple, arrays: dict[str, np.ndarray]) -> list:
    if not isinstance(key, str | int | float | bool | None):
        raise DTypeError(f"save: expected strings or numbers as keys, found {key!r} at {_name(place) or 'the top'}.")
    return [key, _describe(value, (*place, key), arrays)]


def _name(place: tuple) -> str:
    return ".".join(str(part) for part in place)


def _keep(array: np.ndarray, place: tuple, arrays: dict[str, np.ndarray]) -> str:
    """Enter an array under the name of its place in the object, so that others find it; return the name."""
    base = _name(place) or "value"
    name, number = base, 1
    while name in arrays or name == "__metadata__":
        name, number = f"{base}#{number}", number + 1
    arrays[name] = np.array(array, order="C")
    return name


def _rebuild(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_rebuild(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return from_array(arrays[content])
    if kind == "array":
        return arrays[content]
    if kind == "tuple":
        return tuple(_rebuild(item, arrays) for item in content)
    if kind == "dict":
        return {key: _rebuild(item, arrays) for key, item in content}
    raise ValueError(f"unknown kind {kind!r}")


# ---- writing


def _write(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        save_file(arrays, temporary, metadata)
        _flush(temporary)
        os.replace(temporary, path)
    except SafetensorError as error:
        raise TinyTorchError(f"save: could not write {path}: {str(error).splitlines()[0]}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        _flush(path.parent)                    # the new name of the file is in the folder


def _flush(path: Path) -> None:
    """Wait until the disk has what was written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
