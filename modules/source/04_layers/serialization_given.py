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
from typing import IO, Any

import numpy as np

from tinytorch.core.engine import DTypeError, TinyTorchError
from tinytorch.core.tensor import Tensor, from_array
from tinytorch.given import tensor_arguments as arguments

#| face tinytorch: save, load

STRUCTURE = "structure"
DEEPEST = 100


def save(obj: Any, f: str | os.PathLike | IO[bytes]) -> None:
    """Write a state_dict, or any nest of dicts, lists, tuples, tensors, arrays, numbers, strings, bools and None.

    obj: what to save; anything else in it is refused before a byte is written. f: the path; a file there is replaced.
    Or a file open for writing bytes, such as io.BytesIO().
    """
    arrays: dict[str, np.ndarray] = {}
    metadata = {STRUCTURE: json.dumps(_describe(obj, (), arrays))}
    if callable(getattr(f, "write", None)):
        return _write_into(f, arrays, metadata)
    path = Path(os.path.realpath(check_path(f, "save")))
    check_target(path, "save")
    _write(path, arrays, metadata)


def load(f: str | os.PathLike | IO[bytes], map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Return what `save` wrote to the path or open file `f`; of another safetensors file a dict of its tensors.

    map_location: "cpu" or None. weights_only: as in PyTorch, and without effect: nothing is ever unpickled.
    """
    arguments.check_device(map_location)
    if callable(getattr(f, "read", None)):
        return _load_bytes(f.read(), "an open file")
    path = Path(check_path(f, "load"))
    check_source(path, "load")
    return _load_bytes(path.read_bytes(), str(path))


def _load_bytes(content: Any, place: str) -> Any:
    from safetensors import SafetensorError
    from safetensors.numpy import load as arrays_of

    if not isinstance(content, bytes):
        raise DTypeError(f"load: expected a file opened for bytes, found {type(content).__name__}. Open it with 'rb'.")
    try:
        arrays = {name: np.array(array) for name, array in arrays_of(content).items()}
        metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
        if STRUCTURE not in metadata:
            return {name: from_array(array) for name, array in arrays.items()}
        return _rebuild(json.loads(metadata[STRUCTURE]), arrays)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TinyTorchError(
            f"load: expected a whole file written by tinytorch.save, found {len(content)} bytes that are "
            f"damaged or of another format in {place} ({reason}). Save it again, or use an earlier copy."
        ) from error


def check_path(f: Any, what: str, wanted: str = "a path or a file open for bytes") -> str | os.PathLike[str]:
    """Return `f` if it is a path; `what` is who asks, `wanted` what it takes."""
    if not isinstance(f, str | os.PathLike):
        raise DTypeError(f"{what}: expected {wanted}, found {type(f).__name__}.")
    return f


def check_source(path: Path, what: str) -> None:
    """Raise unless there is a file to read."""
    if not path.is_file():
        raise FileNotFoundError(f"{what}: expected a file at {path}, found {'a folder' if path.is_dir() else 'none'}.")


def check_target(path: Path, what: str) -> None:
    """Raise unless a file can get this name: its folder must be there."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{what}: expected an existing folder for {path.name}, found no {path.parent}.")
    if path.is_dir():
        raise IsADirectoryError(f"{what}: expected the path of a file, found the folder {path}.")


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


def _write_into(file: Any, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    from safetensors.numpy import save as bytes_of

    try:
        file.write(bytes_of(arrays, metadata))
    except TypeError as error:
        raise DTypeError("save: expected a file opened for bytes, found one for text. Open it with 'wb'.") from error


def _write(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode & 0o777  # that of any new file; safetensors would keep others from reading
        save_file(arrays, temporary, metadata)
        os.chmod(temporary, mode)
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
