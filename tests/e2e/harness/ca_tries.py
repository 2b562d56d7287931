"""Tries to get a certificate from keelson-ca, and by which of its reasons each may be refused. Pure."""
import dataclasses

# By what may be wrong: which reasons fit. The first of each table is as it should be.
TOKENS = {
    "agent": set(),
    "of another audience": {"ca_token_refused", "ca_audience_refused"},
    "unbound": {"ca_node_unproven"},
    "of another account": {"ca_caller_refused"},
    "of a pod that is gone": {"ca_token_refused", "ca_caller_gone"},
    "forged": {"ca_token_refused"},
    "none": {"ca_token_refused"},
}
ACCOUNTS = {
    "live": set(),
    "without-pod": {"ca_no_live_pod"},
    "elsewhere": {"ca_no_live_pod"},
    "unscheduled": {"ca_no_live_pod"},
    "deleted": {"ca_no_live_pod"},
    "of-another-namespace": {"ca_no_live_pod"},
    "host": {"host_network"},
    "done": {"ca_pod_terminal"},
    "ended": {"ca_pod_terminal"},
    **{name: {"spiffe_id_malformed", "ca_request_malformed"} for name in
       ("", ".", "../live", "live/..", "Live", "live ", "l\u0131ve", "-live", "live%2f", "live\0", "x" * 254)},
}
REQUESTS = {
    "p256": set(),
    "rsa": {"csr_key_refused"},
    "p384": {"csr_key_refused"},
    "names somebody": {"csr_identity_mismatch"},
    "signed by nobody": {"csr_proof_failed"},
    "none": {"csr_malformed", "ca_request_malformed"},
}
TABLES = {"token": TOKENS, "account": ACCOUNTS, "request": REQUESTS}
MANY_WRONG_SHARE = 0.2


@dataclasses.dataclass
class Try:
    node: str
    token: str
    account: str
    request: str

    def reasons(self):
        """Of a refusal; empty: it is to be granted."""
        return set().union(*(table[getattr(self, part)] for part, table in TABLES.items()))


def right(node, **wrong):
    """A try with nothing wrong but what is given."""
    return Try(node, **{**{part: next(iter(table)) for part, table in TABLES.items()}, **wrong})


def generate(random, nodes, count):
    """Most have one thing wrong with them, some up to three, some nothing."""
    def one():
        parts = list(TABLES) if random.random() < MANY_WRONG_SHARE else [random.choice(list(TABLES))]
        return right(random.choice(nodes), **{part: random.choice(list(TABLES[part])) for part in parts})

    return [one() for _ in range(count)]
