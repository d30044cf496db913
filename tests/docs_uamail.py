"""A `uamail` that starts at once, for pages with many commands: a process that has imported everything forks for each.

`python -m tests.docs_uamail SOCKET` serves; `client(SOCKET)` is the program that stands on the PATH instead.
"""

import array
import contextlib
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

_CLIENT = """\
#!{python} -IS
import array, json, os, socket, sys
if sys.argv[1:2] == ["smtp-sink"]:  # it is stopped by its process id, so it has to be this very process
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
link = socket.socket(socket.AF_UNIX)
link.connect({path!r})
asked = json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:]]).encode()
link.sendmsg([len(asked).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
link.sendall(asked)
sys.exit(int(link.recv(16) or b"70"))
"""


def client(path: Path) -> str:
    """The text of an executable `uamail` that asks the server at `path`; its exit code is the command's."""
    return _CLIENT.format(python=sys.executable, real=str(Path(sys.executable).with_name("uamail")), path=str(path))


def serve(path: str) -> None:
    """Answer until killed. Children are reaped by the system."""
    from uamail.cli import main

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen()
        # There only when it answers.
        os.rename(f"{path}.new", path)
        while True:
            link, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _answer(link, main)
            link.close()


def _answer(link: socket.socket, main: object) -> None:
    """Become the asker as far as a program can see: directory, environment, arguments, standard streams."""
    code: object = 70
    try:
        size, rights, _, _ = link.recvmsg(4, socket.CMSG_SPACE(3 * array.array("i").itemsize))
        streams = array.array("i")
        streams.frombytes(rights[0][2])
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        asked = b""
        while len(asked) < int.from_bytes(size, "big"):
            asked += link.recv(1 << 16)
        directory, environment, arguments = json.loads(asked)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["uamail", *arguments]
        assert callable(main)
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        link.sendall(str(code if isinstance(code, int) else 1).encode())
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
