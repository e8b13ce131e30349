"""A small convolutional network reads digits: convolutions, batch norm, max pooling, Adam, a step-wise falling rate."""

import tinytorch as torch
from tests.scripts.setting import digits, initialise

nn, F = torch.nn, torch.nn.functional


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 12, 3, padding=1, bias=False)
        self.fc = nn.Linear(12 * 2 * 2, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(torch.flatten(x, 1))


def build():
    return CNN()


def train(dtype, steps=50):
    images, labels = digits(512)
    data = torch.utils.data.TensorDataset(torch.from_numpy(images).to(getattr(torch, dtype)), torch.from_numpy(labels))
    loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=False)
    model = initialise(torch, build(), dtype).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=0.5)
    losses = []
    while len(losses) < steps:
        for x, y in loader:
            loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    return losses[:steps], model


def predict(model, dtype):
    images, _ = digits(16, start=1000)
    return model(torch.from_numpy(images).to(getattr(torch, dtype)))
