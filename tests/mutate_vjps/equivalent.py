"""Mutants that compute the same as the original: their name, and why no test can tell them apart."""

SHORTCUT = "the early return for two matrices is a shortcut: the general way gives the same"
OPERATORS = "the kernel's operators do to tensors what they do to arrays; it only takes more operations"
ONE_AXIS_MORE = "a matrix with an axis of size 1 in front gives the same; broadcasting is undone by the engine"

EQUIVALENT: dict[str, str] = {
    f"as_matrices.<locals>.vjp: {what}: -    if a.ndim > 1 and b.ndim > 1:\n    +    if {after}:": SHORTCUT
    for what, after in (
        ("comparison flipped", "a.ndim < 1 and b.ndim > 1"), ("comparison flipped", "a.ndim > 1 and b.ndim < 1"),
        ("constant changed", "a.ndim > 2 and b.ndim > 1"), ("constant changed", "a.ndim > 1 and b.ndim > 2"),
    )
} | {
    "as_matrices.<locals>.vjp: always the first branch: "
    "-    as_matrix = SimpleNamespace(a=a[None] if a.ndim == 1 else a, b=b[..., None] if b.ndim == 1 else b)\n"
    "    +    as_matrix = SimpleNamespace(a=a[None], b=b[..., None] if b.ndim == 1 else b)": ONE_AXIS_MORE,
    "_rows: always the second branch: "
    "-    return t if t.ndim == 2 else t.reshape(math.prod(t.shape[:-1]), t.shape[-1])\n"
    "    +    return t.reshape(math.prod(t.shape[:-1]), t.shape[-1])": SHORTCUT,
    "from_output.<locals>.vjp: always the first branch: "
    "-    return gradient.kernel(np, g, saved.out) if type(g) is np.ndarray else gradient(g, saved.out)\n"
    "    +    return gradient.kernel(np, g, saved.out)": OPERATORS,
}

FASTER = "a faster way where no place is named twice; the general one gives the same, and only its truth is asked for"
ONCE = "    return all((isinstance(i, int | slice | type(None) | type(...)) or i.dtype == np.bool_ for i in index))"
EQUIVALENT |= {
    f"names_once: {what}: -{ONCE}\n    +{after}": FASTER
    for what, after in (("doubled", f"{ONCE} * 2.0"), ("nothing", f"{ONCE} * 0.0"),
                        ("sign flipped", ONCE.replace("all", "-all")))
}

CANVAS = "the larger of size + padding and what the windows reach: both swaps give at least that, and it is cropped"
SPEED = "the general way gives the same where the places of the windows are disjoint; it is only slower"
MATRICES = "a product of stacked matrices gives the same as that of one long one; it is only slower"
NOTHING = "where nothing counts every numerator is 0"


def swapped(function: str, what: str, before: str, *after: str) -> list[str]:
    """Return the names of the mutants of one line."""
    return [f"{function}: {what}: -{before}\n    +{line}" for line in after]


POOLED = "reach(outputs, kernel_size, stride, dilation)"
EQUIVALENT |= {
    name: CANVAS
    for function, line, covered in (
        ("conv2d_input_grad_kernel", "    canvas = padded_size({})", "reach(outputs, kernel, stride, dilation)"),
        ("max_pool2d_grad_kernel", "    canvas = padded_size({})", POOLED),
        ("unfold_grad_kernel", "    canvas = padded_size({})", POOLED),
        ("avg_pool2d_grad_kernel", "    received = xp.zeros((n, *padded_size({}), c), g.dtype)",
         "reach(outputs, kernel_size, stride)"),
    )
    for name in swapped(function, "arguments swapped", line.format(f"size, padding, {covered}"),
                        line.format(f"padding, size, {covered}"), line.format(f"size, {covered}, padding"))
}
OVERLAP = "    disjoint = all((s > d * {} for s, d, k in zip(stride, dilation, kernel_size, strict=True)))"
SENT = "            sent = pixels[block, ..., group * matrix.shape[1]:(group + 1) * matrix.shape[1]]"
SCALE = '    scale = {} if reduction == \'none\' else {} if reduction == \'mean\' else g'
EQUIVALENT |= {
    name: reason
    for names, reason in (
        (swapped("max_pool2d_grad_kernel", "term dropped", OVERLAP.format("(k - 1)"), OVERLAP.format("k")), SPEED),
        (swapped("max_pool2d_grad_kernel", "plus for minus, or the reverse", OVERLAP.format("(k - 1)"),
                 OVERLAP.format("(k + 1)")), SPEED),
        (swapped("conv2d_input_grad_kernel", "reshape left out", SENT + ".reshape(-1, matrix.shape[1])", SENT),
         MATRICES),
        (swapped("cross_entropy_grad_kernel", "constant changed", SCALE.format("g[:, None]", "mean_of(g, total or 1)"),
                 SCALE.format("g[:, None]", "mean_of(g, total or 2)")), NOTHING),
        (swapped("cross_entropy_grad_in_tensors", "constant changed",
                 SCALE.format("g.unsqueeze(1)", "g / float(total or 1)"),
                 SCALE.format("g.unsqueeze(1)", "g / float(total or 2)")), NOTHING),
    )
    for name in names
}

WASTED = "computes what nobody needs: the engine ignores it; it is only slower"
NEVER_SEEN = "chosen where the result is replaced; any finite number does"
FIRST_FACTOR = "the first factor meets the value before the first one, which is 0"
MINUS_INFINITY = "-inf less a finite number is -inf"
ZERO = "0, whatever is done to it"
ONES_AHEAD = "further axes of size 1 in front are summed away by the engine"

EXPONENT = ("    return _call('where', flat, 0.0, g * saved.b * saved.a ** "
            "_call('where', flat, saved.{}, saved.b - 1))")
LEFT = "    left = (saved.x.clamp(max={}) * input_scale).exp() * (scale * alpha * input_scale)"
PART = "        parts.append(_call('getitem', g, index=(slice(None),) * dim + (slice(start, stop), ...)){})"
MASK = "    dmask = primitive('scaled_dot_product_attention_mask_grad')(*kept, **settings)"
BACKWARDS = "    return _call('linear_recurrence', _delayed(a.flip(dim), {}, dim), g.flip(dim), dim=dim).flip(dim)"
SHARE = "    share = (saved.a - _call('where', out == -math.inf, {}, out)).exp()"
SCORES = "    scores -= xp.where(logsumexp == -np.inf, {}, logsumexp)[..., None]"
AHEAD = "    return g.reshape({} + g.shape)"
EQUIVALENT |= {
    name: reason
    for names, reason in (
        (swapped("_pow_base", "saved value mistaken", EXPONENT.format("b"), EXPONENT.format("out")), NEVER_SEEN),
        (swapped("_elu", "constant changed", LEFT.format("0.0"), LEFT.format("1.0")), NEVER_SEEN),
        (swapped("_cat", "always the first branch", PART.format(" if need else None"), PART.format("")), WASTED),
        (swapped("_attention", "always the first branch", MASK + " if saved.needs[3] else None", MASK), WASTED),
        (swapped("_accumulated", "constant changed", BACKWARDS.format(0), BACKWARDS.format(1)), FIRST_FACTOR),
        (swapped("_logsumexp", "constant changed", SHARE.format("0.0"), SHARE.format("1.0")), MINUS_INFINITY),
        (swapped("_weights_and_score_grad", "constant changed", SCORES.format(0), SCORES.format(1)), MINUS_INFINITY),
        (swapped("_flat", "sign flipped", "    return g * 0.0", "    return -(g * 0.0)"), ZERO),
        (swapped("_flat", "doubled", "    return g * 0.0", "    return g * 0.0 * 2.0"), ZERO),
        (swapped("_flat", "nothing", "    return g * 0.0", "    return g * 0.0 * 0.0"), ZERO),
        (swapped("written", "term dropped", AHEAD.format("(1,) * (len(shape) - g.ndim)"),
                 AHEAD.format("(1,) * len(shape)")), ONES_AHEAD),
        (swapped("written", "plus for minus, or the reverse", AHEAD.format("(1,) * (len(shape) - g.ndim)"),
                 AHEAD.format("(1,) * (len(shape) + g.ndim)")), ONES_AHEAD),
    )
    for name in names
}
