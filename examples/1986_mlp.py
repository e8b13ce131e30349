"""1986, Rumelhart, Hinton, Williams: "Learning representations by back-propagating errors".

How can a hidden layer learn, when nobody says what its neurons should do? The error at the output, passed backwards
through the chain rule, tells every weight its part of the blame. Here it trains a network with one hidden layer on
60,000 handwritten digits.

Expected: test_accuracy >= 0.97
"""

from tinytorch import manual_seed, nn, optim
from tinytorch.datasets import MNIST
from tinytorch.training import ProgressBar, Trainer, evaluate_model
from tinytorch.transforms import Compose, Normalize, ToTensor
from tinytorch.utils.data import DataLoader

EPOCHS, BATCH = 4, 64


def network(pixels=28 * 28):
    """One hidden layer of 256 neurons, with the bend of that time."""
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 256), nn.Tanh(), nn.Linear(256, 10))


def train(model, train_set, test_set, epochs=EPOCHS):
    """Train by gradient descent with momentum; return the share of test images that are recognised."""
    train_set.transform = test_set.transform = Compose([ToTensor(), Normalize((0.1307,), (0.3081,))])
    batches, tests = DataLoader(train_set, BATCH, shuffle=True), DataLoader(test_set, 1000)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), schedule, [ProgressBar(always=True)])
    trainer.fit(batches, tests, epochs=epochs)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return evaluate_model(model, tests)["accuracy"]


def main():
    """Less than half a minute on two cores."""
    manual_seed(0)
    return {"test_accuracy": train(network(), MNIST(), MNIST(train=False))}


if __name__ == "__main__":
    print(main())
