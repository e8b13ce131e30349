"""Run a script of this folder on either library: its one import line is all that changes."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent
IMPORT = "import tinytorch as torch\n"
NAMES = ("mlp", "cnn", "resnet", "autoencoder", "vae", "gan", "lstm", "transformer", "siamese", "reinforce", "gru",
         "skipgram", "unet")  # fmt: skip


def on(library: str, name: str) -> ModuleType:
    """The script `name` with `import <library> as torch`."""
    path = FOLDER / f"{name}.py"
    source = path.read_text(encoding="utf-8")
    assert source.count(IMPORT) == 1, f"{path.name}: expected the line {IMPORT!r} once"
    module = ModuleType(f"{name}_on_{library}")
    exec(compile(source.replace(IMPORT, f"import {library} as torch\n"), str(path), "exec"), vars(module))
    return module
