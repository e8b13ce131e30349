"""Many small arrays in one .npz: one behind the other as float64, with their names and shapes as JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def write(path: Path, cases: Any, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays, and what is to be said about them, a nest of plain values."""
    shapes = {name: list(np.shape(array)) for name, array in arrays.items()}
    flat = np.concatenate([np.ravel(array).astype(float) for array in arrays.values()])
    np.savez_compressed(path, cases=np.array(json.dumps(cases)), shapes=np.array(json.dumps(shapes)), flat=flat)
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")


def read(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """Return what was written: cases, arrays."""
    file = np.load(path)
    shapes = json.loads(str(file["shapes"]))
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    parts = np.split(file["flat"], cuts)[: len(shapes)]
    arrays = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
    return json.loads(str(file["cases"])), arrays
