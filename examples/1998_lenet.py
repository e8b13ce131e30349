"""1998, LeCun, Bottou, Bengio, Haffner: "Gradient-Based Learning Applied to Document Recognition".

A dense layer must learn anew at every place what an edge is. Why not look at each place with the same few weights?
LeNet does: convolution, pooling, convolution, pooling, convolution, then dense layers, all trained together. It read
cheques; here the same plan, with more filters, smaller windows and ReLU, tells ships from frogs on CIFAR-10.

Expected: test_accuracy >= 0.75
"""

from pathlib import Path

from tinytorch import manual_seed, nn, optim
from tinytorch.datasets import CIFAR10
from tinytorch.training import Checkpointer, ProgressBar, Trainer, evaluate_model
from tinytorch.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor
from tinytorch.utils.data import DataLoader

EPOCHS, BATCH = 12, 64
STATE = Path("runs/milestones/lenet")  # a run that was stopped goes on from here
STANDARD = [ToTensor(), Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))]
VARIED = [*STANDARD, RandomCrop(32, padding=2), RandomHorizontalFlip()]


def network():
    """Three convolutions, two dense layers: the plan of LeNet-5, with 32, 64 and 128 filters for its 6, 16 and 120."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 32 × 16 × 16
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 64 × 8 × 8
        nn.Conv2d(64, 128, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 128 × 4 × 4
        nn.Flatten(),
        nn.Linear(128 * 4 * 4, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def train(model, train_set, test_set, epochs=EPOCHS, state=STATE):
    """Train, from the last saved epoch if there is one; return the share of test images that are recognised."""
    train_set.transform, test_set.transform = Compose(VARIED), Compose(STANDARD)
    batches, tests = DataLoader(train_set, BATCH, shuffle=True), DataLoader(test_set, 500)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    keeper = Checkpointer(state)
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), schedule, [ProgressBar(always=True), keeper])
    if keeper.last.exists():
        trainer.load(keeper.last)
    trainer.fit(batches, tests, epochs=epochs)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return evaluate_model(model, tests)["accuracy"]


def main():
    """A few minutes on two cores."""
    manual_seed(0)
    return {"test_accuracy": train(network(), CIFAR10(), CIFAR10(train=False))}


if __name__ == "__main__":
    print(main())
