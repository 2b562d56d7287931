"""holder PORT ADDRESS...: opens a connection to each address, sends a byte, prints "holding" and keeps them.

A program of its own, run in a pod; one thread. Exit status 1 when a connection cannot be had. Does not measure.
"""
import signal
import socket
import sys

PATIENCE = 10  # seconds for one connection


def main(port, *addresses):
    try:
        connections = [socket.create_connection((address, int(port)), PATIENCE) for address in addresses]
        for connection in connections:
            connection.sendall(b"x")
    except OSError as error:
        sys.exit(f"holder: {error}")
    print("holding", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
