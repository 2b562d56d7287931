"""kernel_rows: rows of the agent's pinned maps, read by system call, so that a change is seen as soon as it is there.

The layout of the keys is that of bpf/include/keelson_abi/abi.h. Blocking; any thread; needs root.
"""
import ctypes
import ipaddress
import os
import struct

BPF_MAP_LOOKUP_ELEM, BPF_OBJ_GET = 1, 7
BPF_SYSTEM_CALL = {"x86_64": 321, "aarch64": 280}
TCP = 6
LIBC = ctypes.CDLL(None, use_errno=True)


def call(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, max(len(attributes), 128))
    result = LIBC.syscall(BPF_SYSTEM_CALL[os.uname().machine], command, buffer, len(buffer))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}")
    return result


def address_key(address):
    """ks_addr: IPv4 as it is mapped into IPv6."""
    parsed = ipaddress.ip_address(address)
    return (b"\0" * 10 + b"\xff\xff" if parsed.version == 4 else b"") + parsed.packed


def service_key(address, port):
    """ks_service_key"""
    return struct.pack("<16sHBB", address_key(address), port, TCP, 0)


class KernelMap:
    """A pinned map, held open."""

    def __init__(self, path, value_bytes):
        self.name = ctypes.create_string_buffer(os.fsencode(path))
        self.fd = call(BPF_OBJ_GET, struct.pack("<QII", ctypes.addressof(self.name), 0, 0))
        self.value = ctypes.create_string_buffer(value_bytes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def row(self, key):
        """The value's bytes; nothing when there is no such row."""
        held = ctypes.create_string_buffer(key, len(key))
        try:
            call(BPF_MAP_LOOKUP_ELEM, struct.pack("<IIQQQ", self.fd, 0, ctypes.addressof(held),
                                                  ctypes.addressof(self.value), 0))
        except FileNotFoundError:
            return None
        return self.value.raw
