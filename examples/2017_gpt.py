"""2017, Vaswani et al.: "Attention Is All You Need"; from 2018 on as GPT, Radford et al.

Recurrent networks read a text word by word, and what they remember must fit into one state. Can a network look back at
everything it has read, at once? Attention does, and then all positions learn at the same time. Trained on nothing but
"what comes next?", such a network learns to write.

A small GPT reads Shakespeare, character by character. To beat: a table of which character follows which (a bigram).

Expected: validation_loss <= 1.88
"""

from functools import partial

from tinytorch import manual_seed, nn, no_grad, optim
from tinytorch.datasets import TinyShakespeare, TokenDataset
from tinytorch.models import GPTConfig, TinyGPT
from tinytorch.text import bigram_loss, next_token_loss, warmup_cosine
from tinytorch.utils.data import DataLoader, RandomSampler

STEPS, BATCH, CONTEXT = 2000, 12, 64
SIZES = {"context": CONTEXT, "layers": 4, "heads": 4, "width": 128, "positions": "rotary", "norm": "rms", "bias": False}


def train(model, windows, steps=STEPS):
    """Take so many steps, each on a few windows from anywhere in the text."""
    batches = DataLoader(windows, BATCH, sampler=RandomSampler(windows, replacement=True, num_samples=steps * BATCH))
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.99), weight_decay=0.1)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, partial(warmup_cosine, warmup=100, steps=steps))
    for step, (x, y) in enumerate(batches, start=1):
        optimizer.zero_grad()
        loss = next_token_loss(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}/{steps}: loss {loss.item():.3f}")


def loss_on(model, text):
    """The mean loss over a whole text, cut into windows that do not overlap."""
    windows = TokenDataset(text.ids, CONTEXT, stride=CONTEXT)
    total = 0.0
    model.eval()
    with no_grad():
        for x, y in DataLoader(windows, 100):
            total += next_token_loss(model(x), y).item() * len(x)
    return total / len(windows)


def write(model, text, prompt="ROMEO:", length=300):
    """What the model makes of a beginning."""
    (tokens,) = model.generate([text.encode(prompt).tolist()], length, temperature=0.8, seed=0)
    return text.decode(tokens)


def main():
    """One or two minutes on two cores."""
    manual_seed(0)
    text, unseen = TinyShakespeare(block_size=CONTEXT), TinyShakespeare(train=False)
    model = TinyGPT(GPTConfig(len(text.vocabulary), **SIZES))
    train(model, text)
    print(write(model, text))
    bigram = bigram_loss(text.ids, unseen.ids, len(text.vocabulary))
    return {"validation_loss": loss_on(model, unseen), "bigram_loss": bigram}


if __name__ == "__main__":
    print(main())
