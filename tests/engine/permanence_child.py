"""Import the engine, then other modules, in a fresh process; print as JSON what they changed.

Run as `python permanence_child.py PACKAGE_FOLDER MODULE…`. `tinytorch` itself loads every exported module; so a bare
package takes its place, and nothing is imported but what is named here.
"""

import importlib
import json
import sys
import types

TABLES = ("PRIMITIVES", "KERNELS", "FUSIONS", "VJPS", "WATCHERS", "SERVICES", "NON_DIFFERENTIABLE", "SETTINGS")


def names_bound(modules: tuple) -> dict[str, object]:
    """Every name of the modules and every attribute of Tensor's classes, with the object it is bound to."""
    found = {f"{module.__name__}.{name}": value for module in modules for name, value in vars(module).items()}
    for cls in modules[1].Tensor.__mro__:
        found |= {f"{cls.__name__}.{name}": value for name, value in vars(cls).items()}
    return found


def rows(engine: types.ModuleType) -> dict[str, object]:
    """Every row of every table, and the kernel of every primitive."""
    found: dict[str, object] = {}
    for name in TABLES:
        table = getattr(engine, name)
        found |= {f"{name}[{key!r}]": table[key] if hasattr(table, "keys") else True for key in table}
    return found | {f"the kernel of {name}": p.kernel for name, p in engine.PRIMITIVES.items()}


def main(folder: str, *names: str) -> None:
    """Compare before and after the imports."""
    package = types.ModuleType("tinytorch")
    package.__path__ = [folder]
    sys.modules["tinytorch"] = package
    from tinytorch.core import engine, tensor

    modules, absent = (engine, tensor), object()
    bound, listed, kept = names_bound(modules), dir(tensor.Tensor), rows(engine)
    for name in names:
        importlib.import_module(name)
    bound_now, kept_now = names_bound(modules), rows(engine)
    changed = [name for name in bound | bound_now if bound.get(name, absent) is not bound_now.get(name, absent)]
    changed += [name for name, value in kept.items() if kept_now.get(name, absent) is not value]
    report = {
        "changed": sorted(changed),
        "same_dir": listed == dir(tensor.Tensor),
        "added": sorted(kept_now.keys() - kept.keys()),
        "loaded": [name for name in sys.modules if name.startswith("tinytorch.")],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
