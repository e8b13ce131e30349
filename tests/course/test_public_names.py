"""Module after module, the package offers exactly the names written down for it, and nothing in advance."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from tests.course.cases import the_course
from tito.course.sources import read_sources
from tito.export import compose

PROJECT, COURSE = the_course()
WRITTEN = tomllib.loads((Path(__file__).parents[1] / "data" / "public_names.toml").read_text(encoding="utf-8"))
FACES = sorted({face for rows in WRITTEN.values() for face in rows})

LOOK = """
import json, sys, types, warnings
warnings.simplefilter("error")
import tinytorch
offered = {}
for face in json.loads(sys.argv[1]):
    value = tinytorch
    for part in [] if face == "tinytorch" else face.split("."):
        value = getattr(value, part, None)
    if value is not None:
        public = {n: v for n, v in vars(value).items() if not n.startswith("_")}
        offered[face] = sorted(n for n, v in public.items() if not isinstance(v, types.ModuleType))
print(json.dumps(offered))
"""


@pytest.mark.parametrize("last", COURSE.modules, ids=lambda m: m.name)
def test_package_offers_exactly_the_written_names(last, tmp_path):
    modules = [m for m in COURSE.modules if m.name <= last.name]
    expected = defaultdict(set)
    for module in modules:
        for face, row in WRITTEN[module.name].items():
            expected[face] |= set(row["names"])
    for path, data in compose(COURSE, modules, {m.name: read_sources(PROJECT, m) for m in modules}).items():
        target = tmp_path / "tinytorch" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    command = [sys.executable, "-c", LOOK, json.dumps(FACES)]
    seen = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert seen.returncode == 0, seen.stderr
    offered = {face: set(names) for face, names in json.loads(seen.stdout).items()}
    missing = {
        face: sorted(names - offered.get(face, set()))
        for face, names in expected.items()
        if names - offered.get(face, set())
    }
    surplus = {face: sorted(names - expected[face]) for face, names in offered.items() if names - expected[face]}
    assert (missing, surplus) == ({}, {}), f"after {last.name}: missing {missing}, not written down {surplus}"
