"""How much of PyTorch's public API TinyTorch covers: writes the last part of docs/pytorch-differences.md.

    python -m tests.coverage_of_pytorch            write it
    python -m tests.coverage_of_pytorch --check    change nothing; fail if it is out of date

PyTorch's are those of tito/export/pytorch_names.json (made by tests/data/make_pytorch_names.py). A name is there
if the exported package has it. What is out of scope on purpose is the table OUT_OF_SCOPE; everything else that is not
there is listed as missing.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import tinytorch

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "pytorch-differences.md"
NAMES = ROOT / "tito" / "export" / "pytorch_names.json"
WIDTH = 160
BEGIN = "<!-- written by `python -m tests.coverage_of_pytorch` from here on -->"

OUT_OF_SCOPE = {
    "complex numbers": r"""
        complex\d* cdouble cfloat chalf conj.* imag real angle polar adjoint H mH sgn is_complex is_conj
        isreal is_neg resolve_\w+ view_as_(complex|real)
    """,
    "sparse, quantised and nested tensors": r"""
        .*sparse.* \w*(quantiz|qscheme)\w* dense_dim coalesce is_coalesced to_(dense|mkldnn|padded_tensor)
        indices values nested is_nested masked  SparseAdam
        dequantize
    """,
    "devices other than the CPU (the GPU comes as a backend), memory formats, automatic precision": r"""
        (is_)?(cuda|xpu|mps|ipu|hpu|mtia|vulkan|maia|meta|mkldnn|xla) backends autocast amp GradScaler
        pin_memory is_pinned record_stream memory_format layout dim_order
        [gs]et_default_device convert_conv\w+ storage_type
    """,
    "compilers, scripts, function transforms, export of programs": r"""
        compile jit fx export onnx func vmap overrides package hub cond futures profiler testing typename
        as_subclass module_load reinforce fuse_\w+ skip_init swap_tensors
    """,
    "matrix decompositions": r"""
        cholesky\w* qr svd lu lu_\w+ geqrf ormqr orgqr lobpcg slogdet logdet det inverse pinverse
        triangular_solve linalg matrix_\w+ chain_matmul renorm spectral_norm remove_spectral_norm
    """,
    "signals and special functions": r"""
        fft i?stft \w+_window special signal igammac?_? i0_? polygamma_? m?v?lgamma_? mvlgamma_? digamma_?
        erfinv_? nextafter_? ldexp_? frexp heaviside_? hypot_? copysign_? gcd_? lcm_? sinc_?
        bitwise_\w+_shift_? float_power_? xlogy_? logaddexp2? logcumsumexp cumulative_trapezoid trapz
        trapezoid vander gradient (rad2deg|deg2rad)_?
    """,
    "distributions as objects": r"""
        distributions poisson binomial cauchy_ geometric_ log_normal_
    """,
    "volumes (three spatial axes)": r"""
        \w+3d
    """,
    "layers that learn their shape late": r"""
        Lazy\w+
    """,
    "dtypes that NumPy has not, or that deep learning seldom needs": r"""
        bfloat16 uint(16|32|64) bit
    """,
    "storages and strides by hand": r"""
        \w*storage\w* data_ptr const_data_ptr set_ resize_\w* as_strided\w* is_set_to is_shared share_memory_
        empty_(strided|permuted) new_empty_strided from_file frombuffer hash_tensor volatile output_nr
    """,
    "training on several machines (module 17 has its own way)": r"""
        distributed DataParallel SyncBatchNorm DistributedSampler multiprocessing is_distributed
        set_multithreading_enabled
    """,
    "settings of the process": r"""
        (get|set|use|are|is)_(num|deterministic|float32|flush|warn|rng|inference|num_interop)\w*
        set_(default_tensor_type|checkpoint\w*|device_states) is_(warn|deterministic)\w* thread_safe_generator
        random enforce_\w+ Checkpoint\w+ Selective\w+ create_selective\w+
    """,
    "names that PyTorch keeps for older programs": r"""
        clip_grad_norm Container CrossMapLRN2d NLLLoss2d row_stack addbmm_? addr_? conv_tbc nonzero_static
        (split|unsafe_split)_with_sizes frobenius_norm nuclear_norm lstm gru
        rnn_(tanh|relu) \w+_cell grad_dtype apply_ map_ (weight|remove_weight)_norm constant dirac
        eye kaiming_normal kaiming_uniform orthogonal uniform xavier_normal xavier_uniform upsample_bilinear
        upsample_nearest RNNBase RNNCellBase
    """,
}  # what is left out on purpose: patterns of names


@dataclass(frozen=True)
class Coverage:
    """The names of one face of PyTorch: there, out of scope, missing; and our own beside them."""

    face: str
    there: tuple[str, ...]
    beyond: tuple[str, ...]
    missing: tuple[str, ...]
    own: tuple[str, ...]


def look_up(path: str) -> object | None:
    """`tinytorch.<path>`, or None."""
    value: object | None = tinytorch
    for part in [] if path == "tinytorch" else path.split("."):
        value = getattr(value, part, None)
    return value


def is_out_of_scope(name: str) -> bool:
    """Whether a row of OUT_OF_SCOPE names it."""
    return any(re.fullmatch(rule, name) for rules in OUT_OF_SCOPE.values() for rule in rules.split())


def coverage(face: str, names: list[str]) -> Coverage:
    """What of `names` the face has. Names of modules and errors of our own are not counted."""
    place = look_up(face)
    there = tuple(name for name in names if name in dir(place))
    absent = [name for name in names if name not in there]
    beyond = tuple(name for name in absent if is_out_of_scope(name))
    offered = dir(place) if face == "Tensor" else getattr(place, "__all__", ())
    own = [name for name in sorted(offered) if not name.startswith("_") and name not in names]
    own = tuple(name for name in own if not isinstance(getattr(place, name), ModuleType | property))
    return Coverage(face, there, beyond, tuple(name for name in absent if name not in beyond), own)


def paragraph(title: str, names: tuple[str, ...]) -> list[str]:
    """One paragraph with all names."""
    text = f"{title}: {', '.join(f'`{name}`' for name in names)}."
    return [*textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False), ""] if names else []


def written() -> str:
    """The generated part of the page."""
    pytorch = json.loads(NAMES.read_bytes())
    faces = [coverage(face, names) for face, names in pytorch.items() if face != "version"]
    lines = [BEGIN, "", "## What is covered", ""]
    lines += textwrap.wrap(
        f"Public, documented names of PyTorch {pytorch['version']}, face by face. *There*: the package of the whole "
        "course has it. *Out of scope*: left out on purpose, see below. *Missing*: neither. Asking for a name that is "
        "not there raises an `AttributeError` that says so and names the nearest one.",
        WIDTH,
    )
    lines += ["", "| | names | there | out of scope | missing |", "|---|---:|---:|---:|---:|"]
    for each in faces:
        count = len(each.there) + len(each.beyond) + len(each.missing)
        name = f"`{each.face}`" if each.face == "tinytorch" else f"`tinytorch.{each.face}`"
        lines.append(f"| {name} | {count} | {len(each.there)} | {len(each.beyond)} | {len(each.missing)} |")
    there, beyond, missing = (sum(len(getattr(f, k)) for f in faces) for k in ("there", "beyond", "missing"))
    lines += [f"| together | {there + beyond + missing} | {there} | {beyond} | {missing} |", ""]
    for each in faces:
        lines += [f"### {'tinytorch' if each.face == 'tinytorch' else f'tinytorch.{each.face}'}", ""]
        lines += paragraph("There", each.there) + paragraph("Out of scope", each.beyond)
        lines += paragraph("Missing", each.missing) + paragraph("Ours alone", each.own)
    lines += ["## What is out of scope", ""]
    lines += [f"* {what}" for what in OUT_OF_SCOPE]
    return "\n".join(lines).rstrip() + "\n"


def page() -> str:
    """The whole page: what is written by hand, then the generated part."""
    by_hand = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0].rstrip()
    return f"{by_hand}\n\n{written()}"


def main(arguments: list[str]) -> int:
    """Write the page or check it."""
    new = page()
    if "--check" not in arguments:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == new:
        return 0
    print(f"{PAGE.name} is out of date: run `python -m tests.coverage_of_pytorch`")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
