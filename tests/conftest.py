"""What the programs that tests start inherit, whoever started the tests: Ctrl-C works, and bytecode is kept."""

import os
import signal

# A shell starts a background job with SIGINT ignored, and what the job starts inherits that; a handler it would not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of them import the package: one compiles it for all.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
