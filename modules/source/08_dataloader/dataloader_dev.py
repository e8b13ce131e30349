# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 08: Data loading, or how to feed a network

A network is as good as what you feed it. It wants its food in **batches**, because one matrix product over 128 images
is far cheaper than 128 products over one. It wants a **new order** in every epoch, because a network that sees all
ships in a row forgets the birds. And it wants numbers of a **sensible size**: feed it raw bytes from 0 to 255 and a
deep network leaves the range in which it can learn, before it has learnt anything.

Today you build the whole way from the files on the disk to such batches, and you make it fast and *repeatable*: stop a
training run in the middle of an epoch, start it again tomorrow, and the same remaining batches come in the same order.

**You bring:** Tensor and the counter-based Generator (02). **You leave with:** `TensorDataset`, `DataLoader`,
samplers, transforms, CIFAR-10, MNIST, digits, and a generator of images for days without a network. **Capability:**
*Can I feed a deep network so that its activations stay in range down to the last layer?*
"""

# %% nbgrader={"grade": false, "grade_id": "dataloader-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.dataloader
from tito.workbench import modules_before

modules_before("08_dataloader")

# %% nbgrader={"grade": false, "grade_id": "dataloader-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face utils.data: TensorDataset, DataLoader, RandomSampler, BatchSampler
#| face transforms: ToFloat, Normalize, RandomHorizontalFlip, RandomCrop
import math

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.core.tensor import Tensor, as_tensor
from tinytorch.given.collate import default_collate, fetch_batch
from tinytorch.given.dataset_base import Dataset, Subset, random_split
from tinytorch.given.image_datasets import Digits, SyntheticImages
from tinytorch.given.random import Generator
from tinytorch.given.samplers import Sampler, SequentialSampler, check_batch_size, check_loader, check_samples, check_state
from tinytorch.given.seeds import fold_in, new_seed
from tinytorch.given.transform_arguments import pair, probability
from tinytorch.given.transform_base import Compose, Transform
from tinytorch.given.transform_geometry import CropPadding
from tinytorch.given.worker_loader import WorkerLoader

# %% [markdown]
r"""
## Mathematical background

**Standardising.** For each colour channel $c$ take the mean $\mu_c$ and the standard deviation $\sigma_c$ over all
pixels of all *training* images, and feed the network

$$ z = \frac{x - \mu_c}{\sigma_c} $$

Then every channel has mean 0 and standard deviation 1. Why does it matter? Look at the simplest network, one linear
layer with squared error. Its loss is a quadratic bowl whose shape is the matrix $H = \frac{1}{n} X^\top X$. Gradient
descent is stable only for a step below $2 / \lambda_{\max}$, and along the flattest direction it then shrinks the
error by $1 - \lambda_{\min} / \lambda_{\max}$ a step. If all inputs are positive with a large mean $\mu$, then
$\lambda_{\max}$ is about $d\mu^2$, due to the mean alone: one huge direction forces tiny steps on all the others.
Subtracting the mean removes it. Dividing by $\sigma$ makes the remaining directions alike. You will measure the effect
in the systems analysis.

**Shuffling.** An epoch visits a permutation $\pi$ of $0 \dots n-1$, cut into $\lceil n / B \rceil$ batches of size
$B$; the last may be short. The gradient of a batch is then an unbiased sample of the gradient of the whole.

**Repeatability.** The order is a pure function

$$ \pi = f(\text{seed}, \text{epoch}) $$

and so are the random flips of a batch, of (seed, epoch, position). Nothing depends on how many random numbers anybody
drew before. To continue an interrupted run you need three integers, not the state of a machine.
"""

# %% [markdown]
"""
## Implementation

### Piece 1: `TensorDataset`

A **data set** answers two questions: *how many items?* (`len(d)`) and *what is item i?* (`d[i]`). That is all that
anybody has to write. `default_collate` (given) turns a list of items into a batch of the same structure:

| item | batch of B items |
|---|---|
| Tensor or array (3, 32, 32) | Tensor (B, 3, 32, 32) |
| `int`, `float`, `bool` | Tensor (B,) of int64, float64, bool |
| tuple or list (image, label) | list [batch of images, batch of labels] |
| dict {"x": …} | dict {"x": batch} |

Item by item is slow, though: 128 images mean 128 little copies and a stack. When the data lie in one array, **one
fancy index** fetches the whole batch in one go. So a data set may also have a method `get_batch(indices, generator)`.
You write both ways for the simplest data set of all, whose items are the rows of some tensors, and measure the
difference later.

Two relatives are given: `Subset` passes every question on to another data set, for some of its items only, and
`random_split` cuts a data set into disjoint random subsets, for training and validation.
"""

# %% nbgrader={"grade": false, "grade_id": "dataloader-tensor-dataset", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class TensorDataset(Dataset):
    """Items are rows of one or several tensors: item i is (tensors[0][i], tensors[1][i], …)."""

    def __init__(self, *tensors):
        self.tensors = tuple(as_tensor(t) for t in tensors)
        if len({t.shape[:1] for t in self.tensors}) != 1 or not self.tensors[0].ndim:
            raise ShapeError(f"Expected tensors of one length, found shapes {[t.shape for t in self.tensors]}.")

    def __len__(self):
        return self.tensors[0].shape[0]

    def __getitem__(self, index):
        """Item number `index`.

        TASK: a tuple that holds row `index` of each tensor.
        APPROACH: index every tensor in self.tensors.
        EXAMPLE: TensorDataset(x, y)[3] -> (x[3], y[3])
        """
        ### BEGIN SOLUTION
        return tuple(t[index] for t in self.tensors)
        ### END SOLUTION

    def get_batch(self, indices, generator=None):
        """The items of these numbers as one batch. (The generator is for random transforms; there are none here.)

        TASK: a list that holds, for each tensor, the rows `indices`.
        APPROACH: an array as index picks many rows at once: one index operation a tensor, no loop over items.
        EXAMPLE: TensorDataset(x, y).get_batch([4, 0]) -> [x[[4, 0]], y[[4, 0]]]
        """
        rows = np.asarray(indices)
        ### BEGIN SOLUTION
        return [t[rows] for t in self.tensors]
        ### END SOLUTION

# %% [markdown]
"""
### Test: the fast path gives what the slow one gives

Both ways to a batch must agree element by element, in the order asked for, and with an index asked for twice.
"""

# %% nbgrader={"grade": true, "grade_id": "test-dataloader-tensor-dataset", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_tensor_dataset():
    x, y = Tensor(np.arange(20.0, dtype=np.float32).reshape(10, 2)), Tensor(np.arange(10) * 10)
    data = TensorDataset(x, y)
    assert len(data) == 10, f"TensorDataset.__len__: expected 10, got {len(data)}"
    item = data[3]
    assert isinstance(item, tuple) and len(item) == 2, f"TensorDataset.__getitem__: a tuple of two, got {item!r}"
    assert item[0].tolist() == [6.0, 7.0] and item[1].item() == 30, f"TensorDataset.__getitem__: item 3 is {item}"
    fast, slow = data.get_batch([4, 0, 4]), default_collate([data[i] for i in (4, 0, 4)])
    assert fast[1].tolist() == [40, 0, 40], f"TensorDataset.get_batch: labels 40, 0, 40, got {fast[1].tolist()}"
    for name, a, b in zip("xy", fast, slow, strict=True):
        assert np.array_equal(a.numpy(), b.numpy()), f"TensorDataset.get_batch: {name} is {a}, item by item {b}"
    ### BEGIN HIDDEN TESTS
    assert data.get_batch([-1])[1].tolist() == [90], "TensorDataset.get_batch: numbers count from the end too"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 2: samplers, or the order of an epoch

A **sampler** produces item numbers. Three of them are enough: one in order (given), one shuffled, and one that gathers
the numbers of another into batches.

How do you make the shuffled order a function of (seed, epoch)? Not by shuffling again and again with one generator:
then the order of epoch 7 depends on everything drawn before. Instead, mix seed and epoch into a new seed, and start a
fresh generator with it. The given `fold_in` mixes: it scrambles the bits so thoroughly that (seed 0, epoch 1) and
(seed 1, epoch 0) have nothing in common. JAX has a function of the same name, for the same purpose.
`new_seed(generator)` draws a seed to begin with.
"""

# %% nbgrader={"grade": false, "grade_id": "dataloader-random-sampler", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class RandomSampler(Sampler):
    """All numbers in an order that is a function of (seed, epoch). Each iteration moves on to the next epoch.

    With `replacement` each number is drawn independently. `num_samples` (default: all) says how many numbers; beyond
    the size of the data without replacement, further permutations follow.
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source, self.replacement, self.num_samples = data_source, replacement, check_samples(num_samples)
        self.seed, self.epoch = new_seed(generator), 0

    def __len__(self):
        return len(self.data_source) if self.num_samples is None else self.num_samples

    def set_epoch(self, epoch):
        """Say which epoch the next iteration is."""
        self.epoch = epoch

    def __iter__(self):
        """The numbers of this epoch; the next iteration is the next epoch.

        TASK: draw `len(self)` numbers from a generator that depends on nothing but seed and epoch.
        APPROACH:
          1. generator = Generator(fold_in(self.seed, self.epoch)), then count self.epoch up.
          2. With replacement: generator.integers(0, count, (len(self),)), where count = len(self.data_source).
          3. Without: join as many generator.permutation(count) as needed (np.concatenate) and cut at len(self).
          4. Return iter(numbers.tolist()): Python ints.
        EXAMPLE: list(RandomSampler(range(4))) -> [2, 0, 3, 1], and the next time perhaps [1, 3, 0, 2]
        """
        count = len(self.data_source)
        if count == 0:
            return iter(())
        ### BEGIN SOLUTION
        generator = Generator(fold_in(self.seed, self.epoch))
        self.epoch += 1
        if self.replacement:
            return iter(generator.integers(0, count, (len(self),)).tolist())
        rounds = math.ceil(len(self) / count)
        numbers = np.concatenate([generator.permutation(count) for _ in range(rounds)])
        return iter(numbers[: len(self)].tolist())
        ### END SOLUTION

# %% [markdown]
"""
### Test: a permutation, a new one each epoch, and the same one again

Epoch 3 must look the same whether you come from epoch 2 or jump there. Any solution that keeps one generator running
over the epochs fails here: it is the mistake that makes a resumed training run differ from an uninterrupted one.
"""

# %% nbgrader={"grade": true, "grade_id": "test-dataloader-random-sampler", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_random_sampler():
    sampler = RandomSampler(range(50), generator=Generator(1))
    epochs = [list(sampler) for _ in range(4)]
    for number, order in enumerate(epochs):
        assert sorted(order) == list(range(50)), f"RandomSampler.__iter__: epoch {number} is no permutation: {order}"
    assert len({tuple(order) for order in epochs}) == 4, "RandomSampler.__iter__: each epoch needs an order of its own"
    other = RandomSampler(range(50), generator=Generator(1))
    other.set_epoch(3)
    assert list(other) == epochs[3], "RandomSampler.__iter__: the order must depend on seed and epoch alone"
    ### BEGIN HIDDEN TESTS
    drawn = list(RandomSampler(range(5), replacement=True, num_samples=400, generator=Generator(0)))
    assert len(drawn) == 400 and set(drawn) == set(range(5)), "RandomSampler.__iter__: 400 draws out of 5"
    long = list(RandomSampler(range(5), num_samples=12, generator=Generator(0)))
    assert sorted(long[:5]) == sorted(long[5:10]) == list(range(5)), f"RandomSampler.__iter__: 12 of 5, got {long}"
    assert len(long) == 12, f"RandomSampler.__iter__: 12 numbers expected, got {len(long)}"
    assert all(type(i) is int for i in long), "RandomSampler.__iter__ must give Python ints"
    assert list(RandomSampler([])) == [], "RandomSampler: nothing to draw from gives nothing"
    ### END HIDDEN TESTS

# %% [markdown]
"""
The second sampler gathers numbers into batches. It is a **generator function**: it runs until `yield`, hands out a
list, and sleeps there until the next one is asked for.
"""

# %% nbgrader={"grade": false, "grade_id": "dataloader-batch-sampler", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class BatchSampler(Sampler):
    """Gathers the numbers of `sampler` into lists of `batch_size`; with drop_last a short last one is left out."""

    def __init__(self, sampler, batch_size, drop_last):
        check_batch_size(batch_size)
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def set_epoch(self, epoch):
        """Say which epoch the next iteration is; passed on to a sampler that wants to know."""
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __len__(self):
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (1 if rest and not self.drop_last else 0)

    def __iter__(self):
        """Lists of numbers, one for each batch.

        TASK: gather the numbers of self.sampler into lists of self.batch_size.
        APPROACH: append to a list; when it is full, yield it and begin a new one. What is left at the end is yielded
          too, unless it is empty or drop_last is set.
        EXAMPLE: list(BatchSampler(range(5), 2, False)) -> [[0, 1], [2, 3], [4]]
        """
        ### BEGIN SOLUTION
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch
        ### END SOLUTION

# %% [markdown]
"""
### Test: the last batch

Most mistakes sit at the end: the short batch forgotten, an empty one added, a full one dropped.
"""

# %% nbgrader={"grade": true, "grade_id": "test-dataloader-batch-sampler", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_batch_sampler():
    batches = list(BatchSampler(range(10), 4, drop_last=False))
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]], f"BatchSampler.__iter__: 10 in batches of 4, got {batches}"
    dropped = list(BatchSampler(range(10), 4, drop_last=True))
    assert dropped == batches[:2], f"BatchSampler.__iter__: drop_last leaves the short batch out, got {dropped}"
    ### BEGIN HIDDEN TESTS
    for drop in (False, True):
        even = list(BatchSampler(range(8), 4, drop))
        assert even == [[0, 1, 2, 3], [4, 5, 6, 7]], f"BatchSampler.__iter__: 8 in batches of 4, got {even}"
    assert list(BatchSampler([], 4, False)) == [], "BatchSampler.__iter__: no items, no batches"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 3: `DataLoader`

All parts exist; the loader puts them together. For each batch of numbers it fetches the items, hands them out, and
notes how far it is. A `for` loop over the loader is one epoch; the next `for` loop is the next epoch, in another
order.

Random transforms (piece 6) need random numbers too. Each batch gets a fresh generator from (seed, epoch, position), so
that the flips of batch 17 are the same whether or not you skipped the 16 before it.

The constructor is given: it checks the arguments and builds the samplers. You write the loop. Like the batch sampler
it is a generator function, asleep between two batches. So note the position *before* the `yield`: who asks for the
state between two batches must see the batch he holds as done.
"""

# %% nbgrader={"grade": false, "grade_id": "dataloader-loader", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
class DataLoader(WorkerLoader):
    """Batches of a data set, epoch after epoch.

    Arguments as in PyTorch: `batch_size`; `shuffle`; or a `sampler` of item numbers, or a `batch_sampler` of lists of
    them; `collate_fn` turns a list of items into a batch; `drop_last` leaves a short last batch out; `generator` seeds
    the order (default: the one that `manual_seed` sets; read once, here). WorkerLoader (given) explains the others.
    """

    def __init__(self, dataset, batch_size=1, shuffle=False, sampler=None, batch_sampler=None, num_workers=0,
                 collate_fn=None, pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None,
                 multiprocessing_context=None, generator=None, *, prefetch_factor=None, persistent_workers=False):
        check_loader(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        super().__init__(num_workers, pin_memory, timeout, worker_init_fn, multiprocessing_context, prefetch_factor,
                         persistent_workers)
        if batch_sampler is None:
            if sampler is None:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
            batch_sampler = sampler if batch_size is None else BatchSampler(sampler, batch_size, drop_last)
        self.dataset, self.batch_sampler, self.collate_fn = dataset, batch_sampler, collate_fn
        self.sampler = getattr(batch_sampler, "sampler", sampler)
        self.batch_size = getattr(batch_sampler, "batch_size", None)
        self.drop_last = getattr(batch_sampler, "drop_last", False)
        self.seed = self.sampler.seed if hasattr(self.sampler, "seed") else new_seed(generator)
        self._next = (0, 0)  # (epoch, position) at which the next loop starts
        self._place = (0, 0)  # (epoch, position) up to which batches went out

    def __len__(self):
        return len(self.batch_sampler)

    def __iter__(self):
        epoch, start = self._next
        self._next, self._place = (epoch + 1, 0), (epoch, start)
        return self._batches(epoch, start) if self._simple else self._other_batches(epoch, start)

# %% nbgrader={"grade": false, "grade_id": "dataloader-batches", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class DataLoader(DataLoader):
    def _batches(self, epoch, start):
        """The batches of one epoch from position `start` on.

        TASK: yield one batch for each list of item numbers, except for the first `start` lists.
        APPROACH:
          1. If self.batch_sampler has a method set_epoch, tell it the epoch.
          2. Go through enumerate(self.batch_sampler); skip positions below start without fetching anything.
          3. generator = Generator(fold_in(self.seed, epoch, position)): a function of where you are.
             fetch_batch(self.dataset, indices, generator, self.collate_fn) makes the batch.
          4. Set self._place = (epoch, position + 1), then yield the batch.
          5. After the last batch set self._place = (epoch + 1, 0): the next thing to come is the next epoch.
        EXAMPLE: 10 items in batches of 4, start 1 -> a batch of 4, then one of 2
        """
        ### BEGIN SOLUTION
        if hasattr(self.batch_sampler, "set_epoch"):
            self.batch_sampler.set_epoch(epoch)
        for position, indices in enumerate(self.batch_sampler):
            if position < start:
                continue
            generator = Generator(fold_in(self.seed, epoch, position))
            batch = fetch_batch(self.dataset, indices, generator, self.collate_fn)
            self._place = (epoch, position + 1)
            yield batch
        self._place = (epoch + 1, 0)
        ### END SOLUTION

# %% [markdown]
"""
### Test: nothing lost, nothing twice

An epoch must hold every item once, with its own label, also when the last batch is short. Two loaders with equal seeds
agree, two epochs differ. An item that you collate yourself, and a plain list as data set, work too.
"""

# %% nbgrader={"grade": true, "grade_id": "test-dataloader-loader", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
def test_dataloader():
    x = np.arange(46, dtype=np.float32).reshape(23, 2)
    data = TensorDataset(Tensor(x), Tensor(np.arange(23)))
    plain = [(xb.shape, yb.tolist()) for xb, yb in DataLoader(data, batch_size=5)]
    assert [shape for shape, _ in plain] == [(5, 2)] * 4 + [(3, 2)], f"DataLoader: 5, 5, 5, 5, 3 expected, got {plain}"
    assert [i for _, labels in plain for i in labels] == list(range(23)), "DataLoader without shuffle keeps the order"

    loader = DataLoader(data, batch_size=5, shuffle=True, generator=Generator(3))
    first, second = ([(xb.numpy().copy(), yb.tolist()) for xb, yb in loader] for _ in range(2))
    labels = [i for _, yb in first for i in yb]
    assert sorted(labels) == list(range(23)), f"DataLoader: every item exactly once, got {labels}"
    later = [i for _, yb in second for i in yb]
    assert list(range(23)) != labels != later, "DataLoader: every epoch needs a new order"
    for xb, yb in first:
        assert np.array_equal(xb, x[yb]), f"DataLoader: items {yb} came with other inputs than their own: {xb}"
    twin = DataLoader(data, batch_size=5, shuffle=True, generator=Generator(3))
    assert [yb.tolist() for _, yb in twin] == [yb for _, yb in first], "DataLoader: equal seeds, equal order"
    assert len(loader) == 5 and len(DataLoader(data, 5, drop_last=True)) == 4, "DataLoader: len counts the batches"
    ### BEGIN HIDDEN TESTS
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(t * 2 for t in super().__getitem__(index))

    doubled = next(iter(DataLoader(Subset(Doubled(Tensor(np.arange(9))), [4, 5]), 2)))
    assert doubled[0].tolist() == [8, 10], f"DataLoader must hear a subclass that changes __getitem__, got {doubled}"
    assert [b.tolist() for b in DataLoader([1, 2, 3], 2)] == [[1, 2], [3]], "DataLoader: a plain list is a data set"
    assert list(DataLoader(data, 20, collate_fn=len)) == [20, 3], "DataLoader: collate_fn receives the list of items"
    weird = DataLoader(data, batch_sampler=[[2, 1], [0]])
    assert [yb.tolist() for _, yb in weird] == [[2, 1], [0]], "DataLoader: batch_sampler decides the batches"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 4: stop and resume

A run of many hours will be stopped: by a power cut, by the end of a rented machine, by you. Model and optimizer are
saved by module 11. The loader adds its part: seed, epoch, and how many batches of the epoch went out. On resuming it
makes the same order again (a function of seed and epoch) and skips what was done, without reading a single image.

The position counts batches, so a state can only be continued with the same number and size of batches. The given
`_measure` describes them, and a state that does not fit is refused.
"""

# %% nbgrader={"grade": false, "grade_id": "dataloader-resume", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class DataLoader(DataLoader):
    def _measure(self):
        """What a state must share with the loader that continues it."""
        return {"batch_size": self.batch_size, "batches": self._count_batches()}

    def state_dict(self):
        """Where the loader is: a dictionary of integers.

        TASK: a dictionary with "seed", "epoch" and "position", and the entries of self._measure().
        APPROACH: epoch and position are the two numbers in self._place.
        EXAMPLE: after three batches -> {"seed": …, "epoch": 0, "position": 3, "batch_size": 4, "batches": 6}
        """
        ### BEGIN SOLUTION
        epoch, position = self._place
        return {"seed": self.seed, "epoch": epoch, "position": position, **self._measure()}
        ### END SOLUTION

    def load_state_dict(self, state):
        """Continue where `state_dict` was called: the next loop yields the batches that remained.

        TASK: take over the seed, and let the next loop start at the saved epoch and position.
        APPROACH: 1. set self.seed; a sampler that has a seed (hasattr) needs the same one.
          2. Set both self._next and self._place to (epoch, position).
        EXAMPLE: a state of epoch 0 and position 3 -> the next loop begins with the fourth batch of epoch 0
        """
        check_state(state, self._measure())
        ### BEGIN SOLUTION
        self.seed = state["seed"]
        if hasattr(self.sampler, "seed"):
            self.sampler.seed = state["seed"]
        self._next = self._place = (state["epoch"], state["position"])
        ### END SOLUTION

# %% [markdown]
"""
### Test: the same batches as without the break

One loader runs through two epochs. Another one is stopped after three batches, its state goes through JSON, and a
third loader, seeded differently, continues. All remaining batches must be equal. So must the next epoch.
"""

# %% nbgrader={"grade": true, "grade_id": "test-dataloader-resume", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_resume():
    import json

    data = TensorDataset(Tensor(np.arange(23)))

    def make(seed):
        return DataLoader(data, batch_size=4, shuffle=True, generator=Generator(seed))

    whole = make(1)
    first, second = ([batch[0].tolist() for batch in whole] for _ in range(2))
    stopped = make(1)
    loop = iter(stopped)
    for _ in range(3):
        next(loop)
    state = json.loads(json.dumps(stopped.state_dict()))
    assert (state["epoch"], state["position"]) == (0, 3), f"DataLoader.state_dict: three batches out, got {state}"
    resumed = make(99)
    resumed.load_state_dict(state)
    rest = [batch[0].tolist() for batch in resumed]
    assert rest == first[3:], f"DataLoader.load_state_dict: expected the remaining batches {first[3:]}, got {rest}"
    assert [batch[0].tolist() for batch in resumed] == second, "DataLoader.load_state_dict: the next epoch differs"
    ### BEGIN HIDDEN TESTS
    state = whole.state_dict()
    assert (state["epoch"], state["position"]) == (2, 0), f"DataLoader.state_dict after two epochs: {state}"
    for _ in stopped:
        break
    state = stopped.state_dict()
    assert (state["epoch"], state["position"]) == (1, 1), f"DataLoader: a loop left early ends its epoch: {state}"
    ### END HIDDEN TESTS

# %% [markdown]
r"""
### Piece 5: standardised inputs

Images are stored as bytes, 0 to 255: a quarter of the memory of float32. They become floats one batch at a time, on
their way to the network.

**Which mean, which deviation?** Those of the *training* set, over all images, rows and columns, one for each channel.
The test images are standardised with the same numbers: the network has never seen them, so neither may we look at
them.

Computing the two is an exercise in memory. CIFAR-10 as float64 takes 1.2 GiB. So go through it in pieces and keep two
sums for each channel: of the values and of their squares. Then $\mu = E[x]$ and $\sigma^2 = E[x^2] - E[x]^2$. (With
values between 0 and 1 in float64 the subtraction is harmless. For numbers with a large mean it is not: there, use
Welford's update.)
"""

# %% nbgrader={"grade": false, "grade_id": "dataloader-statistics", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def channel_statistics(images, piece=1000):
    """Mean and standard deviation of each channel, on the scale where 255 is 1.

    Takes uint8 images (N, C, H, W); returns two float64 arrays (C,).

    TASK: one pass in pieces of `piece` images, with two sums for each channel.
    APPROACH:
      1. For each piece: x = images[start : start + piece] / 255.0 (float64).
      2. Add x.sum(axis=(0, 2, 3)) and (x * x).sum(axis=(0, 2, 3)).
      3. Divide both by the number of pixels of one channel, N * H * W; then use the formulas above.
    EXAMPLE: all pixels 255 -> mean 1, deviation 0
    """
    ### BEGIN SOLUTION
    total = squares = 0.0
    for start in range(0, len(images), piece):
        x = images[start : start + piece] / 255.0
        total = total + x.sum(axis=(0, 2, 3))
        squares = squares + (x * x).sum(axis=(0, 2, 3))
    count = images.size // images.shape[1]
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    ### END SOLUTION

# %% [markdown]
"""
### Test: compared with NumPy's own mean and deviation

Three channels of quite different brightness, and a number of images that is no multiple of the piece. Averaging the
deviations of the pieces, or taking them for each image, gives too small a number.
"""

# %% nbgrader={"grade": true, "grade_id": "test-dataloader-statistics", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
def test_channel_statistics():
    levels = np.array([40, 120, 200]).reshape(1, 3, 1, 1)
    drift = np.linspace(-30, 30, 70).reshape(70, 1, 1, 1)
    images = (levels + drift + Generator(0).integers(0, 20, (70, 3, 4, 5))).astype(np.uint8)
    mean, std = channel_statistics(images, piece=32)
    expected = images / 255.0
    for got, want, name in ((mean, expected.mean((0, 2, 3)), "mean"), (std, expected.std((0, 2, 3)), "deviation")):
        assert np.shape(got) == (3,), f"channel_statistics: a {name} a channel, got shape {np.shape(got)}"
        assert np.allclose(got, want, rtol=1e-9), f"channel_statistics: {name} should be {want}, got {got}"

# %% [markdown]
"""
### Piece 6: transforms

A **transform** changes images on their way into the batch. Ours work on the whole batch (N, C, H, W) at once: one
NumPy operation instead of N. They say so with the attribute `batched = True`. A function of your own without that
attribute is called for each image.

The base class `Transform` and `Compose`, which chains transforms, are given. You write the method `apply` for a batch;
`Transform` sees to single images and Tensors. First the two that bring images into range:
"""

# %% nbgrader={"grade": false, "grade_id": "dataloader-normalize", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class ToFloat(Transform):
    """Bytes 0 … 255 become float32 numbers 0 … 1."""

    def apply(self, images, generator):
        """Images as float32.

        TASK: divide by 255, in float32 and not in float64.
        APPROACH: an operation of a uint8 array and the number np.float32(255) is computed in float32.
        EXAMPLE: uint8 51 -> float32 0.2
        """
        ### BEGIN SOLUTION
        return images / np.float32(255)
        ### END SOLUTION


class Normalize(Transform):
    """Subtract a mean and divide by a standard deviation, channel by channel."""

    def __init__(self, mean, std):
        self.mean = np.asarray(mean, dtype=np.float32).reshape(-1, 1, 1)
        self.std = np.asarray(std, dtype=np.float32).reshape(-1, 1, 1)
        if not np.all(self.std > 0):
            raise TinyTorchError(f"Expected standard deviations above 0, found {self.std.ravel().tolist()}.")

    def apply(self, images, generator):
        """Standardised images.

        TASK: subtract self.mean, divide by self.std. Both have shape (C, 1, 1) and broadcast against (N, C, H, W).
        APPROACH: divide in place (`out /= self.std`): the array from the subtraction is yours, no second one is needed.
        EXAMPLE: a pixel 0.7 in a channel with mean 0.5 and deviation 0.1 -> 2.0
        """
        if images.dtype.kind != "f":
            raise DTypeError(f"Expected float images, found {images.dtype}: put ToFloat() before Normalize.")
        if len(self.mean) not in (1, images.shape[1]):
            raise ShapeError(f"Expected {len(self.mean)} channels, found images of shape {images.shape}.")
        ### BEGIN SOLUTION
        out = images - self.mean
        out /= self.std
        return out
        ### END SOLUTION

# %% [markdown]
"""
### Test: mean 0, deviation 1

Bytes in, float32 out: float64 would double the memory and slow every later layer down. After both transforms each
channel must have mean 0 and deviation 1, and the source must not have changed.
"""

# %% nbgrader={"grade": true, "grade_id": "test-dataloader-normalize", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
def test_normalize():
    images = Generator(1).integers(0, 256, (20, 3, 6, 6)).astype(np.uint8)
    images[:, 0] //= 2
    before = images.copy()
    floats = ToFloat()(images)
    assert floats.dtype == np.float32, f"ToFloat: expected float32, got {floats.dtype}"
    assert np.allclose(floats, before / 255.0, atol=1e-7), f"ToFloat: 255 becomes 1, got a maximum of {floats.max()}"
    kept = floats.copy()
    out = Normalize(*channel_statistics(images))(floats)
    assert out.dtype == np.float32, f"Normalize: expected float32, got {out.dtype}"
    mean, std = out.mean((0, 2, 3), dtype=np.float64), out.std((0, 2, 3), dtype=np.float64)
    assert np.allclose(mean, 0, atol=1e-5), f"Normalize: each channel should have mean 0, got {mean}"
    assert np.allclose(std, 1, atol=1e-5), f"Normalize: each channel should have deviation 1, got {std}"
    assert np.array_equal(images, before) and np.array_equal(floats, kept), "ToFloat, Normalize changed their input"
    ### BEGIN HIDDEN TESTS
    one = Normalize([0.5], [0.25])(Tensor(np.full((1, 2, 2), 1.0, dtype=np.float32)))
    assert isinstance(one, Tensor) and one.tolist() == [[[2.0, 2.0], [2.0, 2.0]]], f"Normalize of one image: {one}"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 7: augmentation

A mirrored ship is still a ship, and so is one that lies two pixels further to the left. **Augmentation** shows the
network such variants: it cannot learn an image by heart that never comes twice the same. For CIFAR-10, flipping and
cropping are worth several percent. Both belong *before* `ToFloat`: on bytes they move a quarter of the memory.

For the crop, pad the images (given) and cut a window of the old size at a random place. No loop is needed:
`sliding_window_view` shows *all* windows at once, by strides, and one fancy index picks one for each image.
"""

# %% nbgrader={"grade": false, "grade_id": "dataloader-augment", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class RandomHorizontalFlip(Transform):
    """Mirrors each image left to right with probability `p`."""

    def __init__(self, p=0.5):
        self.p = probability(p)

    def apply(self, images, generator):
        """Some images mirrored, the others as they were, in a new array.

        TASK: draw one number in [0, 1) for each image; those below p are mirrored along the last axis.
        APPROACH: 1. chosen = generator.uniform((len(images),)) < self.p
          2. copy the images, then replace the chosen ones: out[chosen] = images[chosen, :, :, ::-1]
        EXAMPLE: p = 1: the row [1, 2, 3] of every image becomes [3, 2, 1]
        """
        ### BEGIN SOLUTION
        chosen = generator.uniform((len(images),)) < self.p
        out = images.copy()
        out[chosen] = images[chosen, :, :, ::-1]
        return out
        ### END SOLUTION


class RandomCrop(Transform):
    """Cuts a window of `size` (a number, or height and width) at a random place, out of images padded with `fill`."""

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        self.size, self.pad = pair(size), CropPadding(size, padding, pad_if_needed, fill, padding_mode)

    def apply(self, images, generator):
        """One window of each image.

        TASK: choose for each image the row and column where its window starts, and gather the windows.
        APPROACH:
          1. rows = generator.integers(0, most_rows + 1, (n,)), then columns in the same way.
          2. windows = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(2, 3)): its shape is
             (n, channels, places down, places across, height, width).
          3. Index it with np.arange(n) for the image, `:` for the channels, rows and columns for the place.
        EXAMPLE: images (128, 3, 40, 40), padding done, and size 32 -> (128, 3, 32, 32)
        """
        images = self.pad.apply(images, generator)
        n, (height, width) = len(images), self.size
        most_rows, most_columns = images.shape[2] - height, images.shape[3] - width
        if min(most_rows, most_columns) < 0:
            raise ShapeError(f"Expected images of at least {self.size}, found {images.shape[2:]} after padding.")
        ### BEGIN SOLUTION
        rows = generator.integers(0, most_rows + 1, (n,))
        columns = generator.integers(0, most_columns + 1, (n,))
        windows = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(2, 3))
        return windows[np.arange(n), :, rows, columns]
        ### END SOLUTION

# %% [markdown]
"""
### Test: where did each pixel go?

Every pixel carries its own address, so the test can read off where a window was cut. All places must occur, about
equally often, and never one outside. Flipping with p = 1 must equal NumPy's flip, and p = 0.25 must take about a
quarter. One generator, one result.
"""

# %% nbgrader={"grade": true, "grade_id": "test-dataloader-augment", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_augment():
    images = Generator(2).integers(0, 256, (400, 3, 4, 6)).astype(np.uint8)
    assert np.array_equal(RandomHorizontalFlip(1.0)(images), images[..., ::-1]), "RandomHorizontalFlip(1): mirror all"
    assert np.array_equal(RandomHorizontalFlip(0.0)(images), images), "RandomHorizontalFlip(0): none is mirrored"
    some = RandomHorizontalFlip(0.25)(images, Generator(7))
    flipped = np.array([np.array_equal(a, b[..., ::-1]) for a, b in zip(some, images, strict=True)])
    same = np.array([np.array_equal(a, b) for a, b in zip(some, images, strict=True)])
    assert np.all(flipped ^ same), "RandomHorizontalFlip: every image is either mirrored or unchanged, left to right"
    assert 60 <= flipped.sum() <= 140, f"RandomHorizontalFlip(0.25): about 100 of 400 images, got {flipped.sum()}"

    address = np.arange(1, 25, dtype=np.uint8).reshape(4, 6) * np.ones((900, 2, 1, 1), dtype=np.uint8)
    crops = RandomCrop((4, 6), padding=1)(address, Generator(3))
    assert crops.shape == (900, 2, 4, 6) and crops.dtype == np.uint8, f"RandomCrop: got {crops.shape} of {crops.dtype}"
    padded = np.pad(address[0, 0], 1)
    allowed = [padded[r : r + 4, c : c + 6] for r in range(3) for c in range(3)]
    counts = [sum(np.array_equal(crop[0], window) for crop in crops) for window in allowed]
    assert sum(counts) == 900, f"RandomCrop: {900 - sum(counts)} of 900 crops are no window of the padded image"
    assert min(counts) > 60, f"RandomCrop: each of the 9 places should occur about 100 times, got {counts}"
    assert np.array_equal(crops[:, 0], crops[:, 1]), "RandomCrop: all channels of an image share one window"
    ### BEGIN HIDDEN TESTS
    chain = Compose([RandomCrop((4, 6), padding=1), RandomHorizontalFlip(), ToFloat()])
    one, two = (chain(images, Generator(5)) for _ in range(2))
    assert chain.batched and np.array_equal(one, two), "RandomCrop, RandomHorizontalFlip: equal seeds, equal results"
    assert RandomCrop(3)(images[0]).shape == (3, 3, 3), "RandomCrop: a smaller window of a single image"
    assert not Compose([ToFloat(), lambda image: image]).batched, "Compose: one step for single images binds all"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### The data sets

What is left is given: classes that read files and hold all images in one uint8 array, labels in int64. Their
`get_batch` is one fancy index followed by the transform. Without a transform an image is a uint8 Tensor: give at least
`ToFloat()`.

| data set | images | where from |
|---|---|---|
| `CIFAR10` | 50,000 + 10,000 colour images 3×32×32 | the official binary archive, or an unpacked folder |
| `MNIST` | 60,000 + 10,000 handwritten digits 1×28×28 | four idx files |
| `Digits` | 1,437 + 360 digits 1×8×8 | comes with the package |
| `SyntheticImages` | as many as you like, 3×32×32, ten figures | drawn from a seed |

CIFAR-10's binary version is as plain as a file can be: records of 3,073 bytes, one for the label, then 1,024 for red
row by row, then green, then blue. Read `image_files_given.py`: decoding is one `reshape`. Many data sets are handed
out as Python *pickles* instead. We never open one: unpickling can run any program that its author put in.
"""

# %% [markdown]
"""
## Systems analysis

**First: item by item, or all at once?** The same 128 images, fetched in both ways. Predict the ratio.
"""

# %%
def analyze_fetching():
    """Time to fetch and transform a batch of 128 images, item by item and at once."""
    from tinytorch.core.setup import format_seconds, measure_time

    data = SyntheticImages(size=1000, transform=Compose([ToFloat(), Normalize([0.5] * 3, [0.25] * 3)]))
    rows = Generator(0).integers(0, 1000, (128,))
    at_once = measure_time(data.get_batch, rows, repeats=5).median
    by_item = measure_time(lambda: default_collate([data[i] for i in rows]), repeats=5).median
    ratio = f"{by_item / at_once:.0f} times"
    print(f"128 images at once {format_seconds(at_once)}, item by item {format_seconds(by_item)}: {ratio}")

# %% [markdown]
"""
**Second: what does each step of the pipeline cost?** A training step on 128 images takes tens of milliseconds. As long
as the loader needs one, it hardly matters that both run one after the other. Guess the dearest step from the bytes
that each reads and writes, then run. One step does not fit the guess.
"""

# %%
def analyze_pipeline():
    """Time and output of each step for a batch of 128 CIFAR-shaped images."""
    from tinytorch.core.setup import format_bytes, format_seconds, measure_time

    images, generator = SyntheticImages(size=2000).images, Generator(0)
    rows = generator.integers(0, 2000, (128,))
    batch = images[rows]
    seconds = measure_time(lambda: images[rows]).median
    print(f"{'fancy index':<22}{format_seconds(seconds):>9}{format_bytes(batch.nbytes):>11}")
    for step in (RandomCrop(32, padding=4), RandomHorizontalFlip(), ToFloat(), Normalize([0.5] * 3, [0.25] * 3)):
        seconds = measure_time(step, batch, generator).median
        batch = step(batch, generator)
        print(f"{type(step).__name__:<22}{format_seconds(seconds):>9}{format_bytes(batch.nbytes):>11}")

# %% [markdown]
"""
**Third: is standardising worth it?** A linear layer learns to tell zeros from other digits, by plain gradient
descent, each time with the largest stable step (1 / largest eigenvalue). The runs differ only in how the pixels are
scaled.
"""

# %%
def analyze_standardising(steps=200):
    """Loss of a linear model after some steps of gradient descent, on raw, scaled and standardised pixels."""
    data = Digits()
    raw = data.images.reshape(len(data), -1).astype(np.float64)
    target = np.where(data.labels == 0, 1.0, -1.0)
    scale = np.where(raw.std(axis=0) > 1, raw.std(axis=0), 1.0)
    centred = raw - raw.mean(axis=0)
    scales = {"0 … 255": raw, "0 … 1": raw / 255, "mean removed": centred / 255, "standardised": centred / scale}
    for name, x in scales.items():
        x = np.column_stack([x, np.ones(len(x))])
        eigenvalues = np.linalg.eigvalsh(x.T @ x / len(x))
        weights = np.zeros(x.shape[1])
        for _ in range(steps):
            weights -= x.T @ (x @ weights - target) / len(x) / eigenvalues[-1]
        best = np.linalg.lstsq(x, target, rcond=None)[0]
        loss, least = np.mean((x @ weights - target) ** 2), np.mean((x @ best - target) ** 2)
        print(f"pixels {name:<20} largest eigenvalue {eigenvalues[-1]:>11.1f}   above the best {loss - least:.1e}")

# %% [markdown]
"""
Scaling to 0 … 1 alone does nothing: it only changes the unit of the step. Removing the mean changes the shape of the
bowl, equal deviations make it round. In a deep network the same effect works in every layer, which is why batch norm
and layer norm (module 06) standardise *between* layers as well.

## Integration: from files to standardised batches

All pieces together, as module 11 will use them: statistics of the training images, augmentation, a shuffled loader,
and the baseline that your first trained network has to beat: the label of the most similar training images.
(Why is the mean of the batches a little below 0? Think of what the crop adds at the edges.)
"""

# %%
def report_pipeline():
    """Load, standardise and batch images; print statistics and speed of an epoch, and a baseline to beat."""
    from tinytorch.core.setup import Timer
    from tinytorch.given.neighbours import nearest_neighbour_accuracy

    train, test = SyntheticImages(size=3000), SyntheticImages(train=False, size=300)
    mean, std = channel_statistics(train.images)
    train.transform = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), ToFloat(), Normalize(mean, std)])
    loader = DataLoader(train, batch_size=128, shuffle=True, generator=Generator(0))
    with Timer() as t:
        sums = [(x.numpy().mean(dtype=np.float64), x.numpy().std(dtype=np.float64), len(y)) for x, y in loader]
    print(f"{train}: {sum(n for *_, n in sums)} of them in {len(loader)} batches, {len(train) / t.seconds:,.0f} a second")
    print(f"batches have mean {np.mean([m for m, *_ in sums]):+.2f}, deviation {np.mean([s for _, s, _ in sums]):.2f}")
    accuracy = nearest_neighbour_accuracy(train.images, train.labels, test.images, test.labels)
    print(f"5 nearest neighbours: {accuracy:.0%} of {len(test)} test images (guessing: 10%)")

# %% [markdown]
"""
## Production context

The names and arguments here are PyTorch's. Some things differ.

* With `num_workers`, **worker processes** (given) make batches ahead. That pays when an item is a JPEG to be decoded;
  for arrays in memory, shipping can cost more than making. PyTorch forks workers; ours start afresh, as new processes.
* PyTorch fetches item by item. Its answer to that cost is `__getitems__`, the same idea as your `get_batch`. The
  fastest CIFAR training codes go further and keep the whole data set, as bytes, on the GPU.
* PyTorch's order comes from one running generator. To resume in mid-epoch you need `StatefulDataLoader` from
  torchdata. Yours needs three integers. Grain, a loader of the JAX world, also computes the order from a seed and an
  index.

Data sets that do not fit into memory are cut into files, **shards**, and shuffled twice: the shards, then the items
within a buffer. Reading at random places on a disk is the cache effect of module 01 again, a thousand times as strong.

## Comprehensive test

Embedded digits through a split, the statistics of one part, transforms, the loader, and a resume in mid-epoch.
"""

# %% nbgrader={"grade": true, "grade_id": "test-dataloader-module", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def test_module():
    data = Digits()
    assert len(data) == 1437 and data[0][0].shape == (1, 8, 8), f"Digits: 1437 images 1×8×8 expected, got {data}"
    train, validation = random_split(data, [1400, 37], Generator(0))
    mean, std = channel_statistics(data.images[train.indices])
    data.transform = Compose([RandomCrop(8, padding=1), RandomHorizontalFlip(), ToFloat(), Normalize(mean, std)])
    loader = DataLoader(train, batch_size=400, shuffle=True, generator=Generator(4))
    batches = [(x.numpy(), y.numpy()) for x, y in loader]
    assert [len(y) for _, y in batches] == [400, 400, 400, 200], "DataLoader: batches of 400, the last of 200"
    labels = np.concatenate([y for _, y in batches])
    assert np.array_equal(np.sort(labels), np.sort(data.labels[train.indices])), "DataLoader: labels got lost"
    assert abs(np.concatenate([x for x, _ in batches]).std() - 1) < 0.1, "Normalize: a deviation near 1"
    loader.load_state_dict({**loader.state_dict(), "epoch": 0, "position": 3})
    ((x, _),) = loader
    assert np.array_equal(x.numpy(), batches[3][0]), "DataLoader: a resumed batch must repeat its augmentation exactly"
    assert len(DataLoader(validation, 10)) == 4, "DataLoader: 37 items in batches of 10 make 4"

# %%
if __name__ == "__main__":
    test_tensor_dataset()
    test_random_sampler()
    test_batch_sampler()
    test_dataloader()
    test_resume()
    test_channel_statistics()
    test_normalize()
    test_augment()
    analyze_fetching()
    analyze_pipeline()
    analyze_standardising()
    report_pipeline()
    test_module()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** A colleague standardises training *and* test images with the statistics of the test images, "because these are
what we are judged on". What is wrong with it, and how would it show once the network is in use and receives one image
at a time?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "dataloader-q1", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(A model answer for the grader; the hand-out replaces this whole cell.) The test set has influenced the model, so its
accuracy is no longer an honest estimate (2 points). In use there is no test set whose statistics could be taken; a
single image has statistics of its own, and standardising with them erases what its brightness says (2 points). The
numbers belong to the model and must be fixed at training (1 point).
"""

# %% [markdown]
"""
**2.** Your `RandomSampler` computes the order from (seed, epoch). Suppose it shuffled with one running generator
instead, and a run is stopped after batch 200 of epoch 7. What would have to be saved to continue exactly? And with
four loaders on four machines?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "dataloader-q2", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) The generator's state at the start of epoch 7 (or the permutation itself) plus the position, and the
state of every other consumer of the same generator, such as augmentation (3 points). With four machines, four such
states that must be saved at the same moment; with (seed, epoch) each machine computes the common order and takes its
share (2 points).
"""

# %% [markdown]
"""
**3.** In `analyze_pipeline` the crop moves a quarter of the bytes that `ToFloat` writes, yet takes longer. Explain it
by the pieces in which memory is copied. And `ToFloat` and `Normalize` make three passes over the floats: how would you
merge them into one, and where in your code would that belong?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "dataloader-q3", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) A window of 32 × 32 is copied as 32 separate rows of 32 bytes, 12,288 short pieces for a batch, and the
padding is another pass; ToFloat runs over contiguous memory with vector instructions (2 points). Merged: x * (1 / (255
σ)) - μ / σ, or a table of 256 float32 values for each channel (2 points). It belongs in a transform of its own, or in
Compose, which could replace the pair; data set and loader need not change (1 point).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Data loading

You built the way from a file to a standardised batch: items, collating, samplers, loader, transforms. Two ideas
return. *Work on whole arrays, not on items*: it made the pipeline an order of magnitude faster, and module 13 makes
kernels fast in the same way. *Make randomness a function of where you are*: it makes a run resumable, and module 17
splits an epoch over machines with it.

Next: `tito module complete dataloader`. Then module 09: the gradients.
"""
