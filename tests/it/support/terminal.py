"""Runs a command on a terminal: what it writes there is written out, its questions are answered, its status is ours."""

import os
import pty
import sys

answer, command = sys.argv[1].encode(), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
asked = b""
while True:
    try:
        written = os.read(terminal, 65536)
    except OSError:
        break
    if not written:
        break
    sys.stdout.buffer.write(written)
    asked += written
    if answer and asked.rstrip().endswith(b"[y/N]"):
        os.write(terminal, answer + b"\n")
        asked = b""
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
