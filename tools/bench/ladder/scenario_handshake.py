"""handshake: CPU of a full mutual TLS 1.3 handshake, ours and that of OpenSSL as it comes, in turns in one process.

Both sides together, in memory, with the same certificates: keelson-handshake measures. Blocking.
"""
import json
import subprocess

NAME = "handshake"
DESCRIPTION = "CPU of a mutual handshake against stock OpenSSL"
ROUNDS = {"quick": 15, "full": 41}
COUNT = 200  # handshakes of each in a round
CORE = 1


def to_lines(report):
    return [{"id": f"{NAME}/{variant}/cpu", "group": NAME, "variant": variant, "metric": "cpu", "unit": "us",
             "samples": report[f"{variant}_us"]} for variant in ("keelson", "openssl")]


def run(bench):
    program = bench.bin_dir / "keelson-handshake"
    done = subprocess.run(["taskset", "-c", str(CORE), program, str(ROUNDS[bench.mode.name]), str(COUNT)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=True)
    report = json.loads(done.stdout)
    bench.note(f"{NAME}: against {report['openssl']}")
    return to_lines(report)
