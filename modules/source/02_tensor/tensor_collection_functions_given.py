"""Function forms of the methods that reduce, rearrange, index and sort: `tinytorch.sort(x)` is `x.sort()`."""

from tinytorch.given.tensor_functions import function_of
from tinytorch.given.tensor_linear_algebra import tensordot
from tinytorch.given.tensor_reductions import matrix_norm, norm, vector_norm
from tinytorch.given.tensor_sorting import bucketize, isin, searchsorted

#| face tinytorch: mm, bmm, mv, dot, vdot, outer, inner, addmm, addmv, baddbmm, trace, tensordot
#| face tinytorch: prod, var_mean, std_mean, amax, amin, aminmax, median, cumsum, cumprod, tensor_norm as norm
#| face tinytorch: logsumexp, all, any, count_nonzero, nansum, nanmean
#| face tinytorch: ravel, unflatten, movedim, moveaxis, swapaxes, swapdims, t, repeat_interleave, tile
#| face tinytorch: split, tensor_split, chunk, unbind, narrow, select, flip, fliplr, flipud, roll, rot90
#| face tinytorch: tril, triu, diagonal, diag, diag_embed
#| face tinytorch: index_put, index_put_, index_add, index_fill, index_copy, index_select, gather, scatter, scatter_add
#| face tinytorch: take, take_along_dim, masked_fill, masked_select, nonzero, argwhere, unique, bincount, histc
#| face tinytorch: searchsorted, bucketize, isin, sort, argsort, topk, kthvalue, msort
#| face tinytorch: cummax, cummin, diff, quantile, cov, corrcoef, dist
#| face linalg: norm, vector_norm, matrix_norm

__all__ = ["bucketize", "isin", "matrix_norm", "norm", "searchsorted", "tensordot", "vector_norm"]

mm, bmm, mv, dot, vdot, outer, inner = (function_of(n) for n in ("mm", "bmm", "mv", "dot", "vdot", "outer", "inner"))
addmm, addmv, baddbmm, trace = (function_of(n) for n in ("addmm", "addmv", "baddbmm", "trace"))
prod, var_mean, std_mean, amax, amin = (function_of(n) for n in ("prod", "var_mean", "std_mean", "amax", "amin"))
aminmax, median, cumsum, cumprod = (function_of(n) for n in ("aminmax", "median", "cumsum", "cumprod"))
tensor_norm, logsumexp, nansum, nanmean = (function_of(n) for n in ("norm", "logsumexp", "nansum", "nanmean"))
all, any, count_nonzero = (function_of(n) for n in ("all", "any", "count_nonzero"))
ravel, unflatten, movedim, moveaxis = (function_of(n) for n in ("ravel", "unflatten", "movedim", "moveaxis"))
swapaxes, swapdims, t, tile = (function_of(n) for n in ("swapaxes", "swapdims", "t", "tile"))
repeat_interleave, split, tensor_split = (function_of(n) for n in ("repeat_interleave", "split", "tensor_split"))
chunk, unbind, narrow, select = (function_of(n) for n in ("chunk", "unbind", "narrow", "select"))
flip, fliplr, flipud, roll, rot90 = (function_of(n) for n in ("flip", "fliplr", "flipud", "roll", "rot90"))
tril, triu, diagonal, diag, diag_embed = (function_of(n) for n in ("tril", "triu", "diagonal", "diag", "diag_embed"))
index_put, index_put_, index_add = (function_of(n) for n in ("index_put", "index_put_", "index_add"))
index_fill, index_copy, index_select = (function_of(n) for n in ("index_fill", "index_copy", "index_select"))
gather, scatter, scatter_add = (function_of(n) for n in ("gather", "scatter", "scatter_add"))
take, take_along_dim, masked_fill = (function_of(n) for n in ("take", "take_along_dim", "masked_fill"))
masked_select, nonzero, argwhere = (function_of(n) for n in ("masked_select", "nonzero", "argwhere"))
cummax, cummin, diff, quantile = (function_of(n) for n in ("cummax", "cummin", "diff", "quantile"))
cov, corrcoef, dist = (function_of(n) for n in ("cov", "corrcoef", "dist"))
unique, bincount, histc = (function_of(n) for n in ("unique", "bincount", "histc"))
sort, argsort, topk, kthvalue, msort = (function_of(n) for n in ("sort", "argsort", "topk", "kthvalue", "msort"))
