"""Function forms of the pointwise methods: `tinytorch.floor(x)` is `x.floor()`."""

from tinytorch.given.tensor_functions import function_of

#| face tinytorch: square, reciprocal, rsqrt, expm1, exp2, log1p, log2, log10, logit, sin, cos, tan, asin, acos, atan
#| face tinytorch: atan2, arcsin, arccos, arctan, arctan2, deg2rad, rad2deg, sinh, cosh, asinh, acosh, atanh
#| face tinytorch: arcsinh, arccosh, arctanh, hypot, copysign, logaddexp, xlogy, lerp, addcmul, addcdiv
#| face tinytorch: clamp_min, clamp_max, clip, floor_divide, remainder, fmod, floor, ceil, trunc, fix
#| face tinytorch: rounded as round, frac, positive, sign, sgn, signbit, fmax, fmin
#| face tinytorch: eq, ne, lt, le, gt, ge, not_equal, less, less_equal, greater, greater_equal
#| face tinytorch: isinf, isposinf, isneginf, isclose, nan_to_num, logical_and, logical_or, logical_xor, logical_not
#| face tinytorch: bitwise_not, bitwise_and, bitwise_or, bitwise_xor, bitwise_left_shift, bitwise_right_shift
#| face tinytorch: multiply, subtract, true_divide, divide, negative, absolute

square, reciprocal, rsqrt = (function_of(n) for n in ("square", "reciprocal", "rsqrt"))
expm1, exp2, log1p, log2, log10 = (function_of(n) for n in ("expm1", "exp2", "log1p", "log2", "log10"))
logit, sin, cos, tan, asin, acos = (function_of(n) for n in ("logit", "sin", "cos", "tan", "asin", "acos"))
atan, atan2, arcsin, arccos, arctan = (function_of(n) for n in ("atan", "atan2", "arcsin", "arccos", "arctan"))
arctan2, deg2rad, rad2deg = (function_of(n) for n in ("arctan2", "deg2rad", "rad2deg"))
sinh, cosh, asinh, acosh, atanh = (function_of(n) for n in ("sinh", "cosh", "asinh", "acosh", "atanh"))
arcsinh, arccosh, arctanh = (function_of(n) for n in ("arcsinh", "arccosh", "arctanh"))
hypot, copysign, logaddexp, xlogy = (function_of(n) for n in ("hypot", "copysign", "logaddexp", "xlogy"))
lerp, addcmul, addcdiv = (function_of(n) for n in ("lerp", "addcmul", "addcdiv"))
clamp_min, clamp_max, clip = (function_of(n) for n in ("clamp_min", "clamp_max", "clip"))
floor_divide, remainder, fmod = (function_of(n) for n in ("floor_divide", "remainder", "fmod"))
floor, ceil, trunc, fix, frac = (function_of(n) for n in ("floor", "ceil", "trunc", "fix", "frac"))
rounded, positive, sign, sgn = (function_of(n) for n in ("round", "positive", "sign", "sgn"))
signbit, fmax, fmin = (function_of(n) for n in ("signbit", "fmax", "fmin"))
eq, ne, lt, le, gt, ge = (function_of(n) for n in ("eq", "ne", "lt", "le", "gt", "ge"))
not_equal, less, less_equal = (function_of(n) for n in ("not_equal", "less", "less_equal"))
greater, greater_equal = (function_of(n) for n in ("greater", "greater_equal"))
isinf, isposinf, isneginf, isclose = (function_of(n) for n in ("isinf", "isposinf", "isneginf", "isclose"))
nan_to_num, logical_and, logical_or = (function_of(n) for n in ("nan_to_num", "logical_and", "logical_or"))
logical_xor, logical_not = (function_of(n) for n in ("logical_xor", "logical_not"))
bitwise_not, bitwise_and, bitwise_or = (function_of(n) for n in ("bitwise_not", "bitwise_and", "bitwise_or"))
bitwise_xor, bitwise_left_shift = (function_of(n) for n in ("bitwise_xor", "bitwise_left_shift"))
bitwise_right_shift = function_of("bitwise_right_shift")
multiply, subtract, true_divide = (function_of(n) for n in ("multiply", "subtract", "true_divide"))
divide, negative, absolute = (function_of(n) for n in ("divide", "negative", "absolute"))
