"""tito: the tool that tests, exports and checks a TinyTorch course."""

__version__ = "0.1.0"
