"""How the training of a language model looks: as any training, with losses for accuracies, and with live samples."""

from __future__ import annotations

from tito.commands.train_view import Event, Lines, Live, count
from tito.console import printable


class TextLines(Lines):
    """One line for each thing worth knowing; a sample keeps its own lines."""

    def data(self, event: Event) -> None:
        """Which text, and why this."""
        parts = f"{event['train']:,} tokens to train on, {event['test']:,} to test on"
        self.say(f"Data: {event['title']}, {parts}; {event['vocabulary']} different ones.")
        if event["why"]:
            self.say(f"  {event['why']}", "yellow")

    def baseline(self, event: Event) -> None:
        """What counting pairs achieves."""
        self.say(f"To beat: a validation loss of {shown(event['loss'])}, that of a table of pairs.")

    def plan(self, event: Event) -> None:
        """The network and how long it will be trained."""
        steps, threads = count(event["steps"], "step"), count(self.job.threads, "thread")
        self.say(f"Network: {event['network']}, {event['parameters']:,} parameters.")
        self.say(f"Plan: {steps} on {threads}, with {count(event['checks'], 'check')} of the validation loss.")
        if event["start"]:
            self.say(f"Continuing after step {event['start']:,}.")

    def check(self, event: Event) -> None:
        """What the steps since the last check brought."""
        losses = f"training loss {shown(event['train_loss'])}, validation loss {shown(event['validation_loss'])}"
        self.say(f"Step {event['step']:,}/{event['steps']:,}: {losses}", "bold")

    def sample(self, event: Event) -> None:
        """What the model writes now."""
        for line in printable(event["text"]).strip("\n").split("\n"):
            self.say(f"  │ {line}", "dim")

    def result(self, event: Event) -> None:
        """Loss curve, a last sample, loss, files."""
        for text in event["texts"]:
            self.say(f"\n{printable(text)}")
        loss, bits = shown(event["validation_loss"]), f"{shown(event['bits_per_byte'], 2)} bits a byte"
        self.say(f"\nValidation loss: {loss} ({bits}) on {event['title']}", "bold green")
        if event["kept_step"] < event["steps"]:
            self.say(f"The weights of step {event['kept_step']:,} are kept: later ones had a higher validation loss.")
        self.say(f"Table of pairs: {shown(event['bigram_loss'])}")
        self.say(f"{event['seconds']:.0f} s in all.")
        self.say(f"Files in {self.place}: {', '.join(event['files'])}")
        self.say(f'Let it write: tito generate {self.place} --prompt "…"')


class LiveText(TextLines, Live):
    """The same lines above a progress bar with the present loss."""

    def step(self, event: Event) -> None:
        """Loss and learning rate at this step."""
        metrics = f"loss {shown(event['loss'])}  lr {event['lr']:.5f}"
        self.bar.update(
            self.task, description="Training", completed=event["step"], total=event["steps"], metrics=metrics
        )


def shown(value: float | str, digits: int = 3) -> str:
    """A loss with so many digits; one that is not finite comes as text."""
    return f"{float(value) + 0.0:.{digits}f}"  # the sum turns -0.0 into 0.0
