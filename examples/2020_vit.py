"""2020, Dosovitskiy et al.: "An Image is Worth 16x16 Words".

Does seeing need convolution at all? Cut the image into patches, treat each as a word, and let a Transformer read the
sentence: every patch may look at every other from the first layer on. A token of its own, put in front, gathers what
the classes are read from.

The network of the paper, ViT-Base for 1000 classes, is counted; a small one learns to read the digits of MNIST, which
it sees as 16 words.

Expected: vit_base_parameters == 86567656
Expected: test_accuracy >= 0.97
"""

from tinytorch import cat, manual_seed, nn, optim, zeros
from tinytorch.datasets import MNIST
from tinytorch.models import count_parameters
from tinytorch.training import ProgressBar, Trainer, evaluate_model
from tinytorch.transforms import Compose, Normalize, ToTensor
from tinytorch.utils.data import DataLoader

EPOCHS, BATCH = 5, 128
BASE = {"size": 224, "patch": 16, "channels": 3, "dim": 768, "heads": 12, "classes": 1000}
BASE_DEPTH = 12
SMALL = {"size": 28, "patch": 7, "channels": 1, "dim": 64, "heads": 4, "classes": 10, "depth": 4}


class VisionTransformer(nn.Module):
    """Patches, positions, `depth` Transformer blocks, and a linear layer on the class token."""

    def __init__(self, size, patch, channels, dim, heads, classes, depth):
        super().__init__()
        self.patches = nn.Conv2d(channels, dim, patch, stride=patch)  # one linear layer for every patch
        self.token = nn.Parameter(zeros(1, 1, dim))
        self.positions = nn.Parameter(zeros(1, (size // patch) ** 2 + 1, dim))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.blocks = nn.Sequential(*(nn.TransformerBlock(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)  # (N, patches, dim)
        x = cat([self.token.expand(len(images), -1, -1), x], dim=1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


def base_parameters():
    """Parameters of ViT-Base. Its blocks are all alike: one is built, not twelve."""
    without, with_one = (count_parameters(VisionTransformer(**BASE, depth=depth)) for depth in (0, 1))
    return without + BASE_DEPTH * (with_one - without)


def train(model, train_set, test_set, epochs=EPOCHS):
    """Train with AdamW, warm-up and cosine; return the share of test images that are recognised."""
    train_set.transform = test_set.transform = Compose([ToTensor(), Normalize((0.1307,), (0.3081,))])
    batches, tests = DataLoader(train_set, BATCH, shuffle=True), DataLoader(test_set, 1000)
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2e-3, total_steps=epochs * len(batches), pct_start=0.2, cycle_momentum=False
    )
    callbacks = [ProgressBar(always=True)]
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), schedule, callbacks, clip_norm=1.0)
    trainer.fit(batches, tests, epochs=epochs)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return evaluate_model(model, tests)["accuracy"]


def main():
    """Two minutes on two cores."""
    manual_seed(0)
    parameters = base_parameters()
    print(f"ViT-Base has {parameters:,} parameters. A small one learns:")
    accuracy = train(VisionTransformer(**SMALL), MNIST(), MNIST(train=False))
    return {"vit_base_parameters": parameters, "test_accuracy": accuracy}


if __name__ == "__main__":
    print(main())
