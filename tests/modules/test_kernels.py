"""What is given in module 13: kernels at every size, threads, backends, and machine code that is kept on disk.

Each kernel is compared with its reference in checkpoint 12; here is what goes beyond one call: many shapes, numbers of
threads, processes, and a machine on which something is missing.
"""

import mmap
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest

import tinytorch
from tinytorch import DTypeError, backends, get_num_threads, set_num_threads
from tinytorch.core.engine import KERNELS, SETTINGS, primitive
from tinytorch.given import threads
from tinytorch.nn import functional as F
from tinytorch.optim import SGD
from tinytorch.utils.data import DataLoader, TensorDataset
from tito.checkpoints.guard import brings_kernels
from tito.checkpoints.plugin import _kernels_of
from tito.course.model import load_course
from tito.kernels import kernels
from tito.project import Project

ROOT = Path(__file__).parents[2]
PACKAGE = Path(tinytorch.__file__).parent
SECONDS = 240
STEP = """
import numpy as np, tinytorch
from tinytorch.optim import SGD, Adam
for kind in (SGD, Adam):
    p = tinytorch.nn.Parameter(tinytorch.ones(5))
    p.grad = tinytorch.full((5,), 2.0)
    kind([p], lr=0.5).step()
    print(round(p.sum().item(), 4))
"""


def start(code: str, *, package: Path = PACKAGE, **environment: str) -> subprocess.Popen:
    """Start Python on `code`; a warning is an error, except that a copy of the package has been edited."""
    known = {**os.environ, "TINYTORCH_BACKEND": "auto", "PYTHONPATH": str(package.parent), **environment}
    command = [sys.executable, "-W", "error" if package == PACKAGE else "ignore", "-c", code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=package.parent, env=known, text=True, stdout=pipe, stderr=pipe)


def result(process: subprocess.Popen) -> tuple[str, str]:
    """Return what a process wrote to stdout and stderr."""
    out, error = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, error
    return out, error


@pytest.fixture(autouse=True)
def as_before():
    """The backend and the number of threads are the process's: they are put back."""
    backend, threads = SETTINGS["backend"], get_num_threads()
    yield
    set_num_threads(threads)
    backends.use(backend or "auto")


# ---- convolutions of every shape ------------------------------------------------------------------------------------


def convolution(x, weight, padding):
    """Return the output and both gradients under the chosen backend."""
    settings = {"stride": (1, 1), "padding": (padding, padding), "dilation": (1, 1), "groups": 1}
    images, w = tinytorch.from_numpy(x), tinytorch.from_numpy(weight)
    out = primitive("conv2d")(images, w, None, **settings)
    input_grad = primitive("conv2d_input_grad")(out, w, size=x.shape[2:], **settings)
    weight_grad = primitive("conv2d_weight_grad")(out, images, size=(3, 3), **settings)
    return [t.numpy() for t in (out, input_grad, weight_grad)]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    ("shape", "outputs", "padding"),
    [((2, 16, 42, 43), 16, 1), ((1, 16, 3, 3), 16, 0), ((1, 32, 1, 1), 48, 1), ((5, 16, 4, 4), 32, 2),
     ((7, 16, 9, 13), 16, 0), ((3, 48, 8, 8), 16, 1), ((2, 16, 6, 5), 16, 2)],
)  # fmt: skip
def test_winograd_at_the_ends_of_images_and_of_chunks(shape, outputs, padding, threads):
    """42×43 has 121 tiles: more than a thread takes at a time. Sizes that 4 does not divide end in half a tile."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype("float32")
    weight = rng.normal(size=(outputs, shape[1], 3, 3)).astype("float32")
    set_num_threads(threads)
    found, again = convolution(x, weight, padding), convolution(x, weight, padding)
    with backends.use("numpy"):
        expected = convolution(x.astype("float64"), weight.astype("float64"), padding)
    for name, one, other, repeated in zip(("out", "input", "weight"), found, expected, again, strict=True):
        assert np.array_equal(one, repeated), f"{name}: two runs differ in their bits"
        assert np.abs(one - other).max() <= 1e-4 * np.abs(other).max(), name


def test_a_training_step_is_the_same_under_both_backends():
    def losses(backend):
        tinytorch.manual_seed(1)
        nn = tinytorch.nn
        first = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
        model = nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(512, 10))
        optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
        x, y = tinytorch.randn(8, 3, 8, 8), tinytorch.randint(0, 10, (8,))
        seen = []
        with backends.use(backend):
            for _ in range(5):
                loss = F.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                seen.append(loss.item())
        return seen

    fast, slow = losses("numba"), losses("numpy")
    assert fast[-1] < fast[0] / 2
    assert np.allclose(fast, slow, rtol=1e-3), (fast, slow)


@pytest.mark.parametrize("number", ["05", "06", "09"])
def test_checkpoints_pass_with_the_compiled_kernels(number):
    """Without a wish they judge the reference kernels, which are what the student wrote, so the other side is left."""
    (checkpoint,) = (ROOT / "tests" / "checkpoints").glob(f"checkpoint_{number}_*.py")
    command = [sys.executable, "-m", "pytest", "-q", "-x", str(checkpoint)]
    environment = {**os.environ, "TINYTORCH_BACKEND": "numba"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_checkpoint_judges_the_kernels_of_its_own_modules():
    """A wrong reference kernel of module 06 must not hide behind the compiled one of module 13."""
    course = load_course(Project(ROOT))
    assert [c.name for c in course.checkpoints if brings_kernels(course, c)] == ["kernels"]
    with backends.use("auto"):
        with _kernels_of(SimpleNamespace(reference_only=True)):
            assert backends.current() == "numpy"
        with _kernels_of(SimpleNamespace(reference_only=False)):
            assert backends.current() == "auto"


# ---- backends -------------------------------------------------------------------------------------------------------


def test_choosing_a_backend():
    backends.use("numpy")
    assert backends.current() == "numpy"
    with backends.use("numba"):
        assert backends.current() == "numba"
        with pytest.raises(ZeroDivisionError), backends.use("auto"):
            raise ZeroDivisionError
        assert backends.current() == "numba"
    assert backends.current() == "numpy"
    assert backends.available() == {"numpy": True, "numba": True}
    assert backends.kernels_of("conv2d") == ["numba", "numpy"]
    assert backends.kernels_of("add") == ["numpy"]
    with pytest.raises(DTypeError, match="expected one of 'auto', 'numpy', 'numba', found 'cuda'"):
        backends.use("cuda")
    with pytest.raises(DTypeError, match="expected the name of a primitive"):
        backends.kernels_of("convolution")


def test_the_environment_chooses():
    ask = "import tinytorch; print(tinytorch.backends.current())"
    for wish in ("numpy", "numba", "auto"):
        assert result(start(ask, TINYTORCH_BACKEND=wish)) == (f"{wish}\n", "")
    process = start(ask, TINYTORCH_BACKEND="fast")
    _, error = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "TINYTORCH_BACKEND: expected one of auto, numpy, numba, found 'fast'." in error


def test_import_does_not_import_numba():
    code = "import sys, tinytorch; tinytorch.ones(3).relu(); print({'numba', 'llvmlite', 'scipy'} & set(sys.modules))"
    assert result(start(code)) == ("set()\n", "")


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
import tinytorch
total = tinytorch.ones(200, 200).relu().sum().item()
print(tinytorch.backends.current(), tinytorch.backends.available()["numba"], total)
with tinytorch.backends.use("auto"):
    print(tinytorch.backends.current())
tinytorch.set_num_threads(1)
try:
    tinytorch.backends.use("numba")
except tinytorch.TinyTorchError as error:
    print(error)
"""


def test_without_numba_the_reference_works():
    out, error = result(start(WITHOUT_NUMBA))
    assert out.splitlines() == [
        "numpy False 40000.0",
        "numpy",
        "backends.use: expected Numba to be installed, found it is not: pip install numba.",
    ]
    notice = "TinyTorch runs the reference kernels alone: Numba is not installed. Mend it by `pip install numba`.\n"
    assert error == notice
    assert result(start(WITHOUT_NUMBA, TINYTORCH_BACKEND="numba")) == (out, notice)
    assert result(start(WITHOUT_NUMBA, TINYTORCH_BACKEND="numpy")) == (out, "")


BROKEN_NUMBA = """
import sys
sys.modules["llvmlite"] = None
import numpy as np, tinytorch
from tinytorch.core.kernels import relu_elements
for _ in range(2):
    found = tinytorch.nn.functional.softmax(tinytorch.ones(200, 200), dim=1).sum().item()
    print(round(found), tinytorch.backends.current())
    tinytorch.backends.use("auto")
for call in (lambda: tinytorch.backends.use("numba"), lambda: relu_elements(np.ones(3), np.ones(3))):
    try:
        call()
    except tinytorch.TinyTorchError as error:
        print(error)
"""


def test_with_a_broken_numba_the_reference_works():
    out, error = result(start(BROKEN_NUMBA))
    first, second, use, jit = out.splitlines()
    assert first == second == "200 numpy"
    assert use.startswith("backends.use: expected Numba to be whole, found numba cannot be imported (Module"), use
    assert jit.startswith("jit(relu_elements): expected Numba to compile it, found numba cannot be imported"), jit
    assert error.startswith("TinyTorch runs the reference kernels alone: numba cannot be imported"), error
    assert error.count("\n") == 1


def test_the_command_line_tells_who_serves(monkeypatch):
    monkeypatch.setenv("TINYTORCH_BACKEND", "auto")
    told = kernels(Project(ROOT))
    assert told == {"numba": sorted(name for name, backend in KERNELS if backend == "numba")}


def test_every_kernel_names_a_function_that_exists():
    for (name, _), row in KERNELS.items():
        assert callable(row.load()), name


# ---- threads --------------------------------------------------------------------------------------------------------


def test_threads_reach_numba_and_nothing_else_changes():
    x = tinytorch.randn(300, 300)
    expected = F.softmax(x, dim=1).numpy()
    for count in (1, 2, 5):
        set_num_threads(count)
        assert get_num_threads() == count
        assert numba.get_num_threads() == min(count, numba.config.NUMBA_NUM_THREADS)
        assert np.array_equal(F.softmax(x, dim=1).numpy(), expected)
    set_num_threads(np.int64(2))
    assert get_num_threads() == 2 and type(get_num_threads()) is int
    set_num_threads(10**12)
    assert get_num_threads() <= 8 * os.cpu_count()
    assert np.array_equal(F.softmax(x, dim=1).numpy(), expected)
    for wrong in (0, -1, 2.0, "2", True, None):
        with pytest.raises(DTypeError, match="set_num_threads: expected an int of at least 1"):
            set_num_threads(wrong)


BLAS = """
import tinytorch
from tinytorch.given import threads
from tinytorch.nn import functional as F
import scipy.linalg
counts = lambda: {ask() for ask, give in threads._blas()}
seen = [counts()]
F.linear(tinytorch.ones(64, 64), tinytorch.ones(64, 64))
seen.append(counts())
with tinytorch.backends.use("numpy"):
    seen.append(counts())
seen.append(counts())
tinytorch.set_num_threads(1)
with tinytorch.backends.use("numpy"):
    seen.append(counts())
print(seen)
"""


def test_blas_keeps_to_one_thread_while_kernels_run():
    out, _ = result(start(BLAS, OPENBLAS_NUM_THREADS="2"))
    found_only_through_proc = "[{2}, {1}, {2}, {1}, {1}]\n" if Path("/proc/self/maps").exists() else f"{[set()] * 5}\n"
    assert out == found_only_through_proc


def test_a_file_that_is_only_called_openblas_is_passed_over(tmp_path):
    before = len(threads._blas())
    (tmp_path / "openblas").mkdir()
    for path in (tmp_path / "openblas" / "numbers", tmp_path / "libopenblas-broken.so"):
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0):
            assert len(threads._blas()) == before, path


LIBRARY = """
import runpy
import numpy as np
from types import SimpleNamespace
analyses = runpy.run_path("modules/source/13_kernels/kernels_dev.py")
import tinytorch.given.compiling
from tinytorch.given.threads import _blas
def measured(call, *arguments, **settings):
    if call is np.matmul:
        print({ask() for ask, _ in _blas()})
    return SimpleNamespace(best=1.0, median=1.0)
for name in ("analyze_ladder", "analyze_roof"):
    analyses[name].__globals__["measure_time"] = measured
    analyses[name]()
"""


def test_the_analyses_measure_the_library_on_every_core():
    out, _ = result(start(LIBRARY, OPENBLAS_NUM_THREADS="2"))
    found = [line for line in out.splitlines() if line.endswith("}") or line.endswith("set()")]
    assert found == ["{2}" if Path("/proc/self/maps").exists() else "set()"] * 2, out


def double(batch):
    return tinytorch.stack([F.relu(x * 2) for x, _ in batch])


def test_workers_after_training_with_kernels():
    """A copy of this process has none of its threads; there the reference kernels work."""
    data = tinytorch.randn(8, 20_000)
    expected = F.relu(data * 2).numpy()
    F.softmax(data, dim=1)
    loader = DataLoader(TensorDataset(data, tinytorch.arange(8)), batch_size=4, num_workers=2, collate_fn=double)
    assert np.array_equal(np.concatenate([batch.numpy() for batch in loader]), expected)


FORK = """
import os, tinytorch
x = tinytorch.randn(200, 200)
tinytorch.nn.functional.softmax(x, dim=1)
child = os.fork()
if child == 0:
    tinytorch.nn.functional.softmax(x, dim=1)
    os._exit(0 if tinytorch.backends.current() == "numpy" else 3)
print(os.waitpid(child, 0)[1], tinytorch.backends.current())
"""


def test_a_forked_process_uses_the_reference():
    assert result(start(FORK))[0] == "0 auto\n"


FORK_IN_BLOCK = """
import os, numpy as np, tinytorch
from tinytorch import backends
from tinytorch.core.kernels import matmul_blocked
x, a, out = tinytorch.randn(200, 200), np.ones((8, 8), "float32"), np.empty((8, 8), "float32")
matmul_blocked(a, a, out)
with backends.use("numba"):
    tinytorch.nn.functional.softmax(x, dim=1)
    child = os.fork()
if child == 0:
    tinytorch.nn.functional.softmax(x, dim=1)
    backends.use("auto")
    tinytorch.nn.functional.softmax(x, dim=1)
    out[:] = 0
    matmul_blocked(a, a, out)
    os._exit(0 if backends.current() == "numpy" and (out == 8).all() else 3)
print(os.waitpid(child, 0)[1], backends.current())
"""


def test_a_forked_process_stays_with_the_reference():
    """OpenMP would end it, whichever way it came to a kernel in threads."""
    assert result(start(FORK_IN_BLOCK)) == ("0 auto\n", "")


# ---- machine code on disk -------------------------------------------------------------------------------------------

STEPPED = "0.0\n2.5\n"


def test_two_processes_compile_at_once_and_a_third_reads(tmp_path):
    both = [start(STEP, XDG_CACHE_HOME=str(tmp_path)) for _ in range(2)]
    assert [result(process) for process in both] == [(STEPPED, "")] * 2
    count = "from tinytorch.given.stepping import adapt\nprint(*(sum(n.values()) for n in adapt.stats[1:]))"
    assert result(start(STEP + count, XDG_CACHE_HOME=str(tmp_path))) == (STEPPED + "1 0\n", ""), "hits, misses"


def test_a_folder_that_cannot_be_written_costs_one_notice():
    out, notice = result(start(STEP, XDG_CACHE_HOME="/proc/nowhere"))
    assert out == STEPPED
    assert notice.startswith("TinyTorch cannot keep compiled kernels in /proc/nowhere") and notice.count("\n") == 1


def test_an_edited_helper_takes_effect_at_once(tmp_path):
    package = tmp_path / "tinytorch"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import tinytorch; print(tinytorch.nn.functional.log_softmax(tinytorch.zeros(8), dim=0)[0].item())"
    before = float(result(start(code, package=package))[0])
    assert abs(before + np.log(8)) < 1e-6
    helper = package / "given" / "vectors.py"
    source = helper.read_text(encoding="utf-8")
    assert source.count("builder.fadd(a, b) for a, b in zip(lanes") == 1
    helper.chmod(0o644)
    changed = source.replace("builder.fadd(a, b) for a, b in zip(lanes", "builder.fmul(a, b) for a, b in zip(lanes")
    helper.write_text(changed, encoding="utf-8")
    assert float(result(start(code, package=package))[0]) == 0


STUDENT = """
import numba, numpy as np
from tinytorch.given.jit import jit
SCALE = np.float32({0})
TABLE = np.array([{0}], np.float32)
@numba.njit
def helper(v):
    return v * {0}
@jit
def inner(v):
    return v * {0}
@jit
def outer(x, out, *, more=1.0):
    for i in range(x.size):
        out[i] = x[i] * SCALE * TABLE[0] * helper(x[i]) * inner(x[i]) * more
x, out = np.ones(3, np.float32), np.empty(3, np.float32)
outer(x, out)
hits = sum(outer.machine().stats.cache_hits.values())
outer(x, x, more=0.5)
print(out[0], x[0], hits)
"""


def test_the_kept_code_of_a_student_follows_what_it_names(tmp_path):
    """Constants of NumPy, arrays, and helpers compiled by Numba or by `jit` are parts of the function."""
    found = []
    for name, value in (("a", 2), ("a", 3), ("b", 2), ("a", 2)):
        code = tmp_path / name / "mine.py"     # equal functions share their machine code wherever they lie
        code.parent.mkdir(exist_ok=True)
        code.write_text(STUDENT.format(value), encoding="utf-8")
        run = f"import runpy; runpy.run_path({str(code)!r})"
        found.append(result(start(run, XDG_CACHE_HOME=str(tmp_path / "cache"))))
    assert found == [("16.0 8.0 0\n", ""), ("81.0 40.5 0\n", ""), ("16.0 8.0 1\n", ""), ("16.0 8.0 1\n", "")]


@pytest.mark.parametrize(("ending", "size"), [(".nbc", 100), (".nbi", 0)])
def test_a_damaged_file_is_compiled_again(tmp_path, ending, size):
    assert result(start(STEP, XDG_CACHE_HOME=str(tmp_path))) == (STEPPED, "")
    for path in tmp_path.rglob(f"*{ending}"):
        path.write_bytes(path.read_bytes()[:size])
    out, notice = result(start(STEP, XDG_CACHE_HOME=str(tmp_path)))
    assert out == STEPPED
    assert notice.startswith("TinyTorch cannot read a compiled kernel in") and notice.count("\n") == 1
    assert result(start(STEP, XDG_CACHE_HOME=str(tmp_path))) == (STEPPED, "")


def test_a_folder_that_cannot_be_made_costs_one_notice(tmp_path):
    assert result(start(STEP, XDG_CACHE_HOME=str(tmp_path))) == (STEPPED, "")
    for folder in list((tmp_path / "tinytorch" / "kernels").glob("*/*")):
        shutil.rmtree(folder)
        folder.touch()
    out, notice = result(start(STEP, XDG_CACHE_HOME=str(tmp_path)))
    assert out == STEPPED
    assert notice.startswith("TinyTorch cannot keep a compiled kernel in") and notice.count("\n") == 1


def test_a_full_disk_costs_one_notice(tmp_path):
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    out, notice = result(start(full + STEP, XDG_CACHE_HOME=str(tmp_path)))
    assert out == STEPPED
    assert notice.startswith("TinyTorch cannot keep a compiled kernel in") and notice.count("\n") == 1


MEMORY = """
import resource, numpy as np
from tinytorch.given.allocation import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(1 << 22, "float32")
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first = faults()
keep_freed_memory()
faults()
print(first, faults())
"""


def test_freed_memory_is_used_again():
    first, later = map(int, result(start(MEMORY))[0].split())
    told = platform.libc_ver()[0] == "glibc"
    assert (later < first / 5) is told, f"{first} page faults before, {later} after"
