"""2015, He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition".

More layers made networks worse, and not by overfitting: the deeper one also fitted its training images worse. If a
block only has to learn what to *add* to its input, it can begin by adding nothing, and depth stops to hurt.

A narrow residual network on CIFAR-10, with what a good result needs besides: images shifted and mirrored at random, a
learning rate that rises and then falls like a cosine, and gradients that are shortened when they grow too long.

Expected: test_accuracy >= 0.90
"""

from pathlib import Path

from tinytorch import manual_seed, nn, optim
from tinytorch.datasets import CIFAR10
from tinytorch.training import Checkpointer, ProgressBar, Trainer, evaluate_model
from tinytorch.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor
from tinytorch.utils.data import DataLoader

EPOCHS, BATCH = 24, 128
STATE = Path("runs/milestones/resnet")  # a run that was stopped goes on from here
STANDARD = [ToTensor(), Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))]
VARIED = [*STANDARD, RandomCrop(32, padding=4), RandomHorizontalFlip()]


def block(inner, outer, pool=1):
    """Convolution, normalisation, ReLU; then the image is made smaller by `pool`."""
    layers = [nn.Conv2d(inner, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(pool)] if pool > 1 else []))


class Residual(nn.Module):
    """x + f(x), where f is two blocks."""

    def __init__(self, channels):
        super().__init__()
        self.f = nn.Sequential(block(channels, channels), block(channels, channels))

    def forward(self, x):
        return x + self.f(x)


class BothWays(nn.Module):
    """Looks at each image and at its mirror image, and adds up what the model makes of them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x) + self.model(x.flip(-1))


def network(width=32):
    """Nine layers with weights; 32 pixels become 16, 8, 4 and then one."""
    return nn.Sequential(
        block(3, width),
        block(width, 2 * width, pool=2),
        Residual(2 * width),
        block(2 * width, 4 * width, pool=2),
        block(4 * width, 8 * width, pool=2),
        Residual(8 * width),
        nn.MaxPool2d(4),
        nn.Flatten(),
        nn.Linear(8 * width, 10),
    )


def train(model, train_set, test_set, epochs=EPOCHS, state=STATE):
    """Train, from the last saved epoch if there is one; return the share of test images that are recognised."""
    train_set.transform, test_set.transform = Compose(VARIED), Compose(STANDARD)
    batches, tests = DataLoader(train_set, BATCH, shuffle=True), DataLoader(test_set, 500)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=epochs * len(batches), pct_start=0.2, cycle_momentum=False
    )
    keeper = Checkpointer(state, every_steps=100)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    trainer = Trainer(model, optimizer, loss, schedule, [ProgressBar(always=True), keeper], clip_norm=2.0)
    if keeper.last.exists():
        trainer.load(keeper.last)
    trainer.fit(batches, tests, epochs=epochs)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return evaluate_model(BothWays(model), tests)["accuracy"]


def main():
    """About an hour of processor time."""
    manual_seed(0)
    return {"test_accuracy": train(network(), CIFAR10(), CIFAR10(train=False))}


if __name__ == "__main__":
    print(main())
