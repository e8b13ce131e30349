"""Ctrl-C works in the programs that tests start, whoever started the tests."""

import signal

# A shell starts a background job with SIGINT ignored, and what the job starts inherits that; a handler it would not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
