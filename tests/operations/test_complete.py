"""The operation table is complete: a public operation without a row fails, and so does a primitive without a rule."""

from __future__ import annotations

import tinytorch
from tests.operations.table import find, table
from tinytorch.core.engine import NON_DIFFERENTIABLE, PRIMITIVES, VJPS
from tinytorch.given.mutation import rule_of

# Public callables that are no operations on tensors; what they do is tested in tests/modules and tests/engine.
MAKE_TENSORS = """
    tensor as_tensor from_numpy zeros ones full empty eye arange linspace zeros_like ones_like full_like randn
    rand randint randperm manual_seed initial_seed empty_like logspace rand_like randn_like randint_like
    from_dlpack bernoulli multinomial normal Tensor.bernoulli Tensor.bernoulli_ Tensor.multinomial
    Tensor.exponential_ Tensor.normal_ Tensor.log_normal_ Tensor.random_ Tensor.uniform_ Tensor.new_empty
    Tensor.new_full Tensor.new_ones Tensor.new_tensor Tensor.new_zeros
"""
ANSWER_WITH_A_BOOL = "allclose equal Tensor.allclose Tensor.equal"
FILES_AND_MODES = """
    save load no_grad enable_grad inference_mode set_grad_enabled is_grad_enabled is_anomaly_enabled
    is_anomaly_check_nan_enabled set_printoptions get_num_threads set_num_threads
"""
DESCRIBE_OR_CONVERT = """
    can_cast finfo get_default_dtype iinfo is_floating_point is_tensor numel promote_types result_type
    Tensor.cpu Tensor.cuda Tensor.detach_ Tensor.element_size Tensor.is_floating_point Tensor.is_signed
    Tensor.ndimension Tensor.nelement Tensor.stride Tensor.type Tensor.backward Tensor.data_ptr Tensor.detach
    Tensor.dim Tensor.is_contiguous Tensor.item Tensor.numel Tensor.numpy Tensor.register_hook
    Tensor.register_post_accumulate_grad_hook Tensor.requires_grad_ Tensor.retain_grad Tensor.size Tensor.tolist
"""
NO_OPERATIONS = {
    name for names in (MAKE_TENSORS, ANSWER_WITH_A_BOOL, FILES_AND_MODES, DESCRIBE_OR_CONVERT) for name in names.split()
}
NO_OPERATORS = """
    array array_wrap bool class contains copy deepcopy delattr dir dlpack dlpack_device doc float format
    getattribute getstate hash index init init_subclass int iter len new reduce reduce_ex repr setattr sizeof
    str subclasshook
"""

# Primitives that no row proves, and where they are tested: steps of optimizers and of clipping, on lists of tensors.
ON_LISTS = {name for name in PRIMITIVES if name.endswith("_step")} | {"clamp_all_", "scale_", "total_norm"}


def public_operations() -> set[str]:
    """Return every public callable of the two faces, and every public method and operator of Tensor."""
    functions = {name for name in tinytorch.__all__ if callable(find(name)) and not isinstance(find(name), type)}
    functional = {f"nn.functional.{name}" for name in tinytorch.nn.functional.__all__}
    methods = {f"Tensor.{name}" for name in dir(tinytorch.Tensor)
               if not name.startswith("_") and callable(getattr(tinytorch.Tensor, name))}
    operators = {f"Tensor.{name}" for name in dir(tinytorch.Tensor) if name.startswith("__")
                 and callable(getattr(tinytorch.Tensor, name)) and name.strip("_") not in NO_OPERATORS.split()}
    return functions | functional | methods | operators


def covered() -> set[str]:
    """Return all public names that some row proves."""
    return set().union(*(row.covers for row in table()))


def proven(differentiable: bool) -> set[str]:
    """Return the primitives that rows with a gradient prove, or rows of either kind."""
    if differentiable:
        return {name for row in table() if row.gradient is True for name in row.primitives}
    return {name for row in table() for name in (*row.primitives, row.name.rpartition(".")[2])}


def course_primitives() -> set[str]:
    """Return the primitives of the course, and the in-place twins of such: tests register others."""
    twins = {name for name, p in PRIMITIVES.items() if ".in_place." in p.source}
    own = {name for name, p in PRIMITIVES.items() if p.source.startswith("tinytorch.")} - twins
    return own | {name for name in twins if name.removesuffix("_") in own}


def test_every_public_operation_has_a_row() -> None:
    without = public_operations() - covered() - NO_OPERATIONS
    assert not without, f"no row in tests/operations proves: {sorted(without)}"


def test_what_is_no_operation_has_no_row_and_exists() -> None:
    assert not NO_OPERATIONS & covered(), f"both a row and no operation: {sorted(NO_OPERATIONS & covered())}"
    assert all(find(name) is not None for name in NO_OPERATIONS), "a name that is no operation does not exist"


def test_every_differentiable_primitive_is_proven() -> None:
    """An in-place twin has the rule of its original, and is proven with it."""
    rows = proven(differentiable=True)
    without = {name for name in course_primitives() - NON_DIFFERENTIABLE
               if name not in rows and not (name.endswith("_") and name[:-1] in rows)}
    assert not without, f"no row with a gradient proves: {sorted(without)}"


def test_every_primitive_has_a_rule_or_none_by_decision() -> None:
    without = {name for name in course_primitives()
               if rule_of(PRIMITIVES[name]) is None and PRIMITIVES[name].decompose is None} - NON_DIFFERENTIABLE
    assert not without, f"neither a rule, nor a decomposition, nor in NON_DIFFERENTIABLE: {sorted(without)}"
    assert not set(VJPS) & NON_DIFFERENTIABLE


def test_every_primitive_without_a_gradient_is_proven() -> None:
    without = course_primitives() & NON_DIFFERENTIABLE - proven(differentiable=False) - ON_LISTS
    assert not without, f"no row proves: {sorted(without)}"


def test_rows_name_what_exists() -> None:
    missing = {(row.name, name) for row in table() for name in row.primitives if name not in PRIMITIVES}
    assert not missing, f"rows name primitives that do not exist: {sorted(missing)}"
    absent = {name for name in covered() if not name.startswith("primitive.") and find(name) is None}
    assert not absent, f"rows name public operations that do not exist: {sorted(absent)}"
