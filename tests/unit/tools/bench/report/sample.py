"""Small results with invented figures, for tests of the report: met, not met, not measured, noisy, a peer missing."""
from ladder import lines

FIVE = (0.99, 1.0, 1.01, 1.0, 0.98)


def entry(id_, unit, middle, shape=FIVE):
    return {"id": id_, "unit": unit, "samples": [round(middle * factor, 4) for factor in shape]}


def rung(group, variant, whole, proxies, rps, p50, p99, latency=None, body="1k", shape=FIVE):
    name = f"{group}/{variant}/c32/{body}/h1/"
    found = [entry(name + "cpu_all", "us", whole, shape), entry(name + "cpu_proxies", "us", proxies, shape),
             entry(name + "rps", "1/s", rps, shape), entry(name + "p50", "us", p50, shape),
             entry(name + "p99", "us", p99, shape)]
    if latency:
        found += [entry(name + "p50_open", "us", latency[0], shape), entry(name + "p99_open", "us", latency[1], shape)]
    return found


def document():
    found = [
        *rung("same-node", "relay", 30.5, 12.0, 58000, 480, 1900, (95, 240)),
        *rung("same-node", "none", 18.4, 0, 107000, 289, 711, (60, 130)),
        *rung("same-node", "direct", 18.7, 0, 106000, 291, 720, (61, 133), shape=(1.0, 1.0, 1.02, 0.99, 0.98)),
        *rung("same-node", "keelson-l7", 31.8, 13.2, 57200, 500, 2100, (97, 260)),
        *rung("same-node", "haproxy-http", 34.6, 16.1, 54000, 496, 2740, (101, 310), shape=(0.7, 1.3, 1.0, 1.4, 0.8)),
        *rung("cross-node", "none", 18.4, 0, 107000, 289, 711, (60, 130)),
        *rung("cross-node", "keelson-l4", 45.0, 24.0, 31000, 900, 4100, (170, 420)),
        *rung("cross-node", "envoy-hbone", 48.0, 26.6, 29000, 960, 4500, (180, 460)),
        *rung("cross-node", "keelson-l7", 50.0, 25.0, 28000, 990, 5100, body="64k"),
        *rung("cross-node", "haproxy-h1", 150.0, 129.0, 7500, 4000, 12000, body="64k"),
        entry("policy-scale/rules10/connect_cpu", "us", 21), entry("policy-scale/rules1000/connect_cpu", "us", 21.2),
        entry("policy-scale/rules100000/connect_cpu", "us", 21.5), entry("policy-scale/rules10/connect_p50", "us", 41),
        entry("policy-scale/rules1000/connect_p50", "us", 41), entry("policy-scale/rules100000/connect_p50", "us", 45),
        entry("churn/keelson/handshakes_per_connection", "1", 0.004), entry("idle/client-side/mib", "MiB", 1.4, (1,)),
        entry("idle/server-side/mib", "MiB", 2.3, (1,)), entry("idle/pairs900/mib", "MiB", 28.5, (1,)),
        entry("fairness/small/p99_ratio", "x", 1.4), entry("fairness/bulk/p99_ratio", "x", 1.7),
        entry("enforcement/new/ms_p99", "us", 1400), entry("config-scale/ready_s", "s", 0.42, (1, 1.1, 0.9)),
    ]
    return {"about": {"date": "2026-01-02 03:04 UTC", "commit": "0123abc", "kernel": "6.18.0",
                      "cpu": "a processor", "cores": 2,
                      "congestion_control": "cubic", "mode": "quick", "seconds": 600,
                      "versions": {"haproxy": "2.6.12"}},
            "lines": found, "missing": [{"what": "envoy", "why": "the wheel could not be installed"}],
            "notes": ["invented figures, for tests"]}


def results(**more):
    return lines.parse({**document(), **more})
