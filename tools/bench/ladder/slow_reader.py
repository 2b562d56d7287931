"""slow_reader ADDRESS PORT HOST PATH CONNECTIONS SECONDS: asks for a body on each connection, reads it in sips.

Each connection asks again when it has read enough, so that the other end always has more to send than is taken.
A program of its own, run in a pod; one thread; ends after SECONDS. Does not measure.
"""
import selectors
import socket
import sys
import time

WINDOW = 4096  # bytes of the receive buffer
SIP = 512
PAUSE = 0.05  # seconds between two rounds of sips


def open_connection(address, request):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
    connection.settimeout(5)
    connection.connect(address)
    connection.sendall(request)
    connection.setblocking(False)
    return connection


def sip(connection):
    """Whether the connection is still there."""
    try:
        return connection.recv(SIP) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def run(address, request, connections, seconds):
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            selector.register(open_connection(address, request), selectors.EVENT_READ)
        while time.monotonic() < until:
            for key, _ in selector.select(PAUSE):
                if not sip(key.fileobj):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    selector.register(open_connection(address, request), selectors.EVENT_READ)
            time.sleep(PAUSE)


def main(address, port, host, path, connections, seconds):
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    run((address, int(port)), request * 4, int(connections), float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
