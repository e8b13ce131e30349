"""A multilayer perceptron reads digits: cross-entropy, SGD with momentum and weight decay."""

import tinytorch as torch
from tests.scripts.setting import digits, initialise

nn = torch.nn


def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.0), nn.Linear(32, 10))


def train(dtype, steps=50):
    images, labels = digits(512)
    images, labels = torch.from_numpy(images).to(getattr(torch, dtype)), torch.from_numpy(labels)
    model = initialise(torch, build(), dtype)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    losses = []
    for step in range(steps):
        batch = torch.arange(32) + 32 * (step % 16)
        optimizer.zero_grad()
        loss = criterion(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def predict(model, dtype):
    images, _ = digits(16, start=1000)
    return model(torch.from_numpy(images).to(getattr(torch, dtype)))
