"""1957, Rosenblatt: "The Perceptron: A Perceiving and Recognizing Automaton".

Can a machine learn from its mistakes, without being told the rule? One neuron looks at images of handwritten sixes
and eights. It says "eight" if the weighted sum of the pixels is above zero. Where it is right nothing happens; where it
is wrong the image is added to the weights, or taken away from them. No gradient, no loss: that is all.

Expected: test_accuracy >= 0.95
"""

from tinytorch import tensor, zeros
from tinytorch.datasets import Digits

PASSES = 10


def sixes_and_eights(digits):
    """The images of 6 and 8 as rows of 64 pixels between 0 and 1, and for each whether it is an 8."""
    chosen = (digits.labels == 6) | (digits.labels == 8)
    return tensor(digits.images[chosen] / 255).float().flatten(1), digits.labels[chosen] == 8


def learn(images, labels, passes=PASSES):
    """Weights and threshold, after at most so many passes; earlier if one goes by without a mistake."""
    weights, bias = zeros(images.shape[1]), 0.0
    for number in range(1, passes + 1):
        mistakes = 0
        for x, y in zip(images, labels, strict=True):
            error = int(y) - int((x @ weights).item() + bias > 0)  # 1, 0 or -1
            if error:
                weights, bias, mistakes = weights + error * x, bias + error, mistakes + 1
        print(f"pass {number}: {mistakes} mistakes in {len(labels)} images")
        if mistakes == 0:
            break
    return weights, bias


def main():
    """A second."""
    weights, bias = learn(*sixes_and_eights(Digits()))
    images, labels = sixes_and_eights(Digits(train=False))
    says_eight = (images @ weights + bias > 0).numpy()
    return {"test_accuracy": (says_eight == labels).mean()}


if __name__ == "__main__":
    print(main())
