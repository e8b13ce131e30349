"""Mutants that compute the same as the original: their name, and why no test can tell them apart."""

SHORTCUT = "the early return for two matrices is a shortcut: the general way gives the same"
ONE_AXIS_MORE = "a matrix with an axis of size 1 in front gives the same; broadcasting is undone by the engine"

EQUIVALENT: dict[str, str] = {
    f"as_matrices.<locals>.vjp: {what}: -    if a.ndim > 1 and b.ndim > 1:\n    +    if {after}:": SHORTCUT
    for what, after in (
        ("comparison flipped", "a.ndim < 1 and b.ndim > 1"), ("comparison flipped", "a.ndim > 1 and b.ndim < 1"),
        ("constant changed", "a.ndim > 2 and b.ndim > 1"), ("constant changed", "a.ndim > 1 and b.ndim > 2"),
    )
} | {
    "as_matrices.<locals>.vjp: always the first branch: "
    "-    as_matrix = SimpleNamespace(a=a.unsqueeze(0) if a.ndim == 1 else a, "
    "b=b.unsqueeze(-1) if b.ndim == 1 else b)\n"
    "    +    as_matrix = SimpleNamespace(a=a.unsqueeze(0), b=b.unsqueeze(-1) if b.ndim == 1 else b)": ONE_AXIS_MORE,
}
