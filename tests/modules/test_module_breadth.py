"""Module beside what module 04 teaches: hooks of both passes, paths, conversion, containers, settings of a wrong type.

The numbers and texts are those of PyTorch.
"""

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn, ones, tensor, zeros
from tinytorch.core.engine import TinyTorchError


def linear(weight: list, bias: list) -> nn.Linear:
    layer = nn.Linear(2, 2)
    layer.load_state_dict({"weight": tensor(weight), "bias": tensor(bias)})
    return layer


def listed(gradients: tuple) -> list:
    return [None if g is None else g.tolist() for g in gradients]


class Two(nn.Module):
    def forward(self, a: Tensor, b: Tensor, scale: float = 1.0) -> tuple:
        return a * scale, b * a


# ---- hooks


def test_hooks_of_the_backward_pass_see_and_replace() -> None:
    first, last = linear([[1.0, 2.0], [3.0, 4.0]], [0.5, 0.5]), linear([[0.0, 1.0], [-1.0, 2.0]], [0.0, 1.0])
    net, seen = nn.Sequential(first, nn.ReLU(), last), []
    handle = first.register_full_backward_hook(lambda m, gi, go: seen.append((m, listed(gi), listed(go))))
    last.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    last.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    x = tensor([[1.0, 2.0]], requires_grad=True)
    net(x).sum().backward()
    assert x.grad.tolist() == [[48.0, 60.0]] and first.weight.grad.tolist() == [[-6.0, -12.0], [18.0, 36.0]]
    assert last.weight.grad.tolist() == [[16.5, 34.5], [16.5, 34.5]]
    assert seen == [(first, [[[48.0, 60.0]]], [[[-6.0, 18.0]]])]
    handle.remove()
    net(x).sum().backward()
    assert len(seen) == 1


def test_a_backward_hook_runs_where_no_input_needs_a_gradient() -> None:
    layer, seen = linear([[1.0, 2.0], [3.0, 4.0]], [0.5, 0.5]), []
    with layer.register_full_backward_hook(lambda m, gi, go: seen.append((listed(gi), listed(go)))):
        layer(tensor([[1.0, 2.0]])).sum().backward()
    assert seen == [([None], [[[1.0, 1.0]]])] and layer.bias.grad.tolist() == [1.0, 1.0]


def test_a_backward_hook_of_several_arguments_and_outputs() -> None:
    module, seen = Two(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append((listed(gi), listed(go))))
    a = tensor([1.0, 2.0], requires_grad=True)
    p, q = module(a, tensor([3.0, 4.0]), scale=2.0)
    (p.sum() + 2 * q.sum()).backward()
    assert a.grad.tolist() == [8.0, 10.0] and seen == [([[8.0, 10.0], None], [[1.0, 1.0], [2.0, 2.0]])]


def test_backward_hooks_that_do_not_fit() -> None:
    module = nn.Identity()
    with module.register_full_backward_hook(lambda m, gi, go: (None, None)):
        out = module(ones(2, requires_grad=True))
        with pytest.raises(tinytorch.GradientError, match="expected 1 gradients or None, found 2"):
            out.sum().backward()
    module.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.raises(tinytorch.GradientError, match="str"):
        module("text")


def test_forward_hooks_with_keywords_in_order() -> None:
    module, order = Two(), []
    module.register_forward_hook(lambda m, a, k, o: order.append(sorted(k)), with_kwargs=True)
    module.register_forward_hook(lambda m, a, o: order.append("first"), prepend=True)
    module.register_forward_pre_hook(lambda m, a, k: (a, {**k, "scale": 5.0}), with_kwargs=True)
    module.register_forward_pre_hook(lambda m, a: order.append("before"), prepend=True)
    out, _ = module(tensor([1.0, 2.0]), tensor([3.0, 4.0]), scale=1.0)
    assert out.tolist() == [5.0, 10.0] and order == ["before", "first", ["scale"]]
    module.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True)
    with pytest.raises(tinytorch.DTypeError, match=r"None or \(args, kwargs\)"):
        module(ones(1), ones(1), scale=1.0, more=2)


def test_a_hook_that_is_always_called() -> None:
    class Bad(nn.Module):
        def forward(self, x: Any) -> None:
            raise ValueError("no")

    module, seen = Bad(), []
    module.register_forward_hook(lambda m, a, o: seen.append(o))
    module.register_forward_hook(lambda m, a, o: seen.append("always"), always_call=True)
    with pytest.raises(ValueError, match="no"):
        module(1)
    assert seen == ["always"]
    for register in (module.register_forward_hook, module.register_forward_pre_hook,
                     module.register_full_backward_hook, module.register_full_backward_pre_hook):
        with pytest.raises(tinytorch.DTypeError, match="expected a function, found int"):
            register(3)


# ---- paths


def tree() -> nn.Sequential:
    return nn.Sequential(OrderedDict(enc=nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), dec=nn.Linear(3, 2)))


def test_parts_by_their_path() -> None:
    net = tree()
    assert net.get_submodule("enc.1") is net.enc[1] and net.get_submodule("") is net
    assert net.get_parameter("enc.0.weight") is net.enc[0].weight
    assert net.get_buffer("enc.1.running_mean") is net.enc[1].running_mean
    net.set_submodule("enc.0", nn.Linear(2, 3, bias=False))
    assert net.enc[0].bias is None and net(ones(4, 2)).shape == (4, 2)
    net.set_submodule("dec.extra", nn.ReLU())
    assert isinstance(net.dec.extra, nn.ReLU)
    for call, words in (
        (lambda: net.get_submodule("enc.7"), "found none called '7' in Sequential, whose modules are: 0, 1"),
        (lambda: net.get_parameter("dec.weigth"), "a parameter at 'dec.weigth', its owner's are: weight, bias"),
        (lambda: net.get_buffer("enc.0.x"), "its owner's are: none"),
        (lambda: net.get_submodule("enc..0"), "expected a path like"),
        (lambda: net.set_submodule("enc.9", nn.ReLU(), strict=True), "found none called '9'"),
    ):
        with pytest.raises(AttributeError, match=words):
            call()
    with pytest.raises(tinytorch.DTypeError, match="expected a Module, found int"):
        net.set_submodule("dec", 3)


def test_names_of_what_is_shared() -> None:
    net = tree()
    net.dec.tied = net.enc[0].weight
    net.mean = net.enc[1]
    names = ["enc.0.weight", "enc.0.bias", "enc.1.weight", "enc.1.bias", "dec.weight", "dec.bias"]
    assert [n for n, _ in net.named_parameters()] == names
    every = [*names, "dec.tied", "mean.weight", "mean.bias"]
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == every
    assert [n for n, _ in net.named_parameters("net", False, remove_duplicate=False)] == []
    assert len(list(net.named_buffers(remove_duplicate=False))) == 6 == 2 * len(list(net.named_buffers()))


def test_all_the_ways_to_convert() -> None:
    net = tree()
    assert net.half().dec.weight.dtype == np.float16 and net.enc[1].num_batches_tracked.dtype == np.int64
    assert net.double().dec.weight.dtype == np.float64 and net.type("float32").dec.weight.dtype == np.float32
    assert net.to("cpu", tinytorch.float64, non_blocking=True).dec.weight.dtype == np.float64
    assert net.to(zeros(1)).dec.weight.dtype == np.float32 and net.cpu().float() is net
    with pytest.raises(NotImplementedError, match="13"):
        net.cuda()
    with pytest.raises(TinyTorchError, match="dtype"):
        net.to(3)


def test_a_deep_copy_shares_nothing_with_the_original() -> None:
    net = tree()
    net.dec.tied, seen = net.enc[0].weight, []
    net.register_forward_hook(lambda m, a, o: seen.append(m))
    twin = copy.deepcopy(net)
    assert twin.dec.tied is twin.enc[0].weight and twin.dec.tied is not net.dec.tied
    twin(ones(2, 2))
    assert seen == [twin], "the copy has the hook, and it sees the copy"


def test_a_mismatch_names_what_was_probably_meant() -> None:
    net = nn.Linear(2, 3)
    for wrong, words in (
        ({"weigth": zeros(3, 2), "bias": zeros(3)}, r"missing \(weight\); 1 unexpected \(weigth, meant as weight\?\)"),
        ({f"module.{n}": t for n, t in net.state_dict().items()}, r"module.weight, meant as weight\?, module.bias"),
        ({"weight": zeros(2, 3), "bias": zeros(3)}, r"weight: expected \(3, 2\), found \(2, 3\)"),
    ):
        with pytest.raises(TinyTorchError, match=words):
            net.load_state_dict(wrong)


# ---- containers


def test_sequential_is_a_list() -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Tanh())
    assert net.insert(1, nn.Sigmoid()) is net and [type(m).__name__ for m in net][1] == "Sigmoid"
    del net[0]
    assert isinstance(net.pop(-1), nn.Tanh) and list(net._modules) == ["0", "1"]
    net += nn.Sequential(nn.Tanh())
    net.extend([nn.ReLU(), nn.ReLU()])
    longer = net + nn.Sequential(nn.Identity())
    assert type(longer) is nn.Sequential and len(longer) == 6 and longer[0] is net[0] and len(net) == 5
    del net[1:3]
    assert [type(m).__name__ for m in net] == ["Sigmoid", "ReLU", "ReLU"] and list(net._modules) == ["0", "1", "2"]
    more = [nn.Tanh()]
    mlp = tinytorch.models.MLP(2, 3, 1) + more
    assert type(mlp) is nn.Sequential and len(mlp) == 4
    with pytest.raises(tinytorch.DTypeError, match="expected a Sequential or a list, found Tanh"):
        net + nn.Tanh()


def test_a_list_of_modules_shows_repeats_once() -> None:
    modules = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)] + [nn.ReLU()])
    assert repr(modules) == (
        "ModuleList(\n  (0-2): 3 x Linear(in_features=1, out_features=1, bias=True)\n  (3): ReLU()\n)"
    )
    modules.insert(0, nn.Tanh())
    modules += [nn.ReLU()]
    more = [nn.Tanh()]
    assert isinstance(modules.pop(-1), nn.ReLU) and len(modules + more) == 6
    assert repr(nn.ModuleList()) == "ModuleList()"
    nested = nn.ModuleList([nn.Sequential(nn.ReLU())])
    assert repr(nested) == "ModuleList(\n  (0): Sequential(\n    (0): ReLU()\n  )\n)"


def test_a_dict_of_modules() -> None:
    parts = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    parts["c"] = nn.Tanh()
    parts.update([["a", nn.Identity()]])
    assert list(parts) == list(parts.keys()) == ["a", "b", "c"] and "a" in parts and "z" not in parts
    assert repr(parts) == "ModuleDict(\n  (a): Identity()\n  (b): ReLU()\n  (c): Tanh()\n)"
    assert isinstance(parts.pop("b"), nn.ReLU) and [type(m) for m in parts.values()] == [nn.Identity, nn.Tanh]
    del parts["c"]
    assert [k for k, _ in parts.items()] == ["a"] and len(nn.ModuleDict()) == 0
    parts.clear()
    assert not len(parts)
    for call, words in (
        (lambda: nn.ModuleDict({"a": 3}), "expected a Module"), (lambda: nn.ModuleDict(3), "a dict or a list of"),
        (lambda: nn.ModuleDict({"keys": nn.ReLU()}), "has an attribute 'keys' already"),
        (lambda: nn.ModuleDict({"a": nn.ReLU()})["b"], r"expected one of its keys \('a'\), found 'b'"),
    ):
        with pytest.raises(TinyTorchError, match=words):
            call()


def test_parameters_in_lists_and_dicts() -> None:
    named = nn.ParameterDict({"w": ones(2)})
    named["v"] = nn.Parameter(zeros(1))
    assert list(named.state_dict()) == [n for n, _ in named.named_parameters()] == ["w", "v"]
    assert len(named) == 2 and "w" in named and named.get("z") is None and named.setdefault("w", zeros(9)) is named["w"]
    assert list(named | {"x": zeros(3)}) == ["w", "v", "x"] and named.copy()["v"] is named["v"]
    assert named.popitem()[0] == "v" and list(nn.ParameterDict().fromkeys("ab", ones(1))) == ["a", "b"]
    listed = nn.ParameterList([ones(2), ones(3)])
    listed.append(zeros(1))
    listed += [zeros(4)]
    listed[0] = zeros(5)
    assert list(listed.state_dict()) == ["0", "1", "2", "3"] and [p.shape[0] for p in listed] == [5, 3, 1, 4]
    assert len(listed[1:3]) == 2 and listed[-1].shape == (4,) and all(p.requires_grad for p in listed)
    assert repr(nn.ParameterList([ones(2)])) == "ParameterList((0): Parameter of shape (2,), float32)"
    for call, words in (
        (lambda: nn.ParameterList([1.0]), "expected Parameters or Tensors, found float"),
        (lambda: nn.ParameterList(ones(2)), "expected a list of tensors"), (lambda: listed[9], "expected an index in"),
        (lambda: listed["a"], "expected an int or a slice"), (lambda: named["x"], "expected one of its keys"),
    ):
        with pytest.raises(TinyTorchError, match=words):
            call()


SETTINGS: dict[str, tuple[Any, str]] = {
    "Dropout(None)": (lambda: nn.Dropout(None), "Dropout's probability p: expected a number, found None"),
    "dropout('a')": (lambda: nn.functional.dropout(ones(2), "a"), "probability p: expected a number, found 'a'"),
    "Linear('3', 2)": (lambda: nn.Linear("3", 2), "Linear's in_features: expected a whole number, found '3'"),
    "Linear(3, 2.5)": (lambda: nn.Linear(3, 2.5), "Linear's out_features: expected a whole number, found 2.5"),
    "Linear(-1, 2)": (lambda: nn.Linear(-1, 2), "a whole number of 0 or more, found -1"),
    "Embedding": (lambda: nn.Embedding(None, 2), "Embedding's num_embeddings: expected a whole number, found None"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_a_wrong_type(name: str) -> None:
    call, words = SETTINGS[name]
    with pytest.raises(TinyTorchError, match=words):
        call()
