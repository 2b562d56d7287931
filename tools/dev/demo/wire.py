"""Counts the frames of an interface that hold a text: wire.py INTERFACE SECONDS TEXT."""
import select
import socket
import sys
import time

ETH_P_ALL = 3


def count_frames(interface, seconds, text):
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sniffer.bind((interface, 0))
    end, found = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        if select.select([sniffer], [], [], left)[0]:
            found += text in sniffer.recv(65535)
    return found


print(count_frames(sys.argv[1], float(sys.argv[2]), sys.argv[3].encode()))
