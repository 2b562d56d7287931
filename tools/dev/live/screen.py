"""The picture of a Book: pure functions from what was observed, a size and colours to lines of text.

ASCII only, and nothing a pod sends reaches the terminal as a control character.
"""
from dataclasses import dataclass, field

CLEAR, BOLD, DIM, RED, GREEN, YELLOW, CYAN = "0", "1", "2", "31", "32", "33", "36"
PATH_STYLE = {"plain": YELLOW, "direct": GREEN, "mtls": CYAN, "l7": CYAN}
HEAD = f"{'FROM':<8} {'TO':<7} {'PATH':<6} {'RPS':>4} {'OK%':>5} {'P50':>6} {'P99':>6} {'TLS':<4} ROUTE OR REASON"
ROWS_MIN = 6
KEYS = ("space pause  n next act  m mesh on/off  1 canary 10%  5 canary 50%  r roll back",
        "d deny mallory  a kill agent  p kill proxy  b kill both  t table  ? help  q quit")
HELP = (
    "Every figure is observed: RPS, OK and latency by the load clients (from the time",
    "a request was due), PATH by flow events of the kernel and the access logs of the",
    "proxies, TLS by a capture of the link between the nodes.",
    "",
    "PATH  plain  no mesh on the way",
    "      direct same node, attested by the kernel, no proxy in between",
    "      mtls   through the proxies of both nodes       l7  the same, by request",
    "TLS   1.3: on the link; none: readable on the link; -: never leaves its node",
    "",
    "Each key prints the commands that it stands for. Look around meanwhile:",
    "  keelsonctl --node node1 status|observe|why shop/cart shop/pay:80",
    "  lab exec cart -- curl -s http://pay/charge",
)


@dataclass
class View:
    act: str = ""
    state: str = ""  # "paused", "next act in 4 s"
    elapsed: float = 0.0
    rows: list = field(default_factory=list)
    wire: str = ""  # whose frames
    frames: list = field(default_factory=list)  # newest last: (source, destination, text)
    frames_readable: int = 0
    is_readable: bool = False
    lines: list = field(default_factory=list)  # of the play, newest last
    overlay: list = field(default_factory=list)  # takes the place of wire and play


def latency(seconds):
    if seconds <= 0:
        return "-"
    if seconds < 0.00995:
        return f"{seconds * 1e3:.1f}ms"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f}ms"
    return f"{seconds:.1f}s"


def printable(text):
    return "".join(c if " " <= c <= "~" else "." for c in text)


def row_line(row):
    """List of (text, style) of one row."""
    stats = row.stats
    answered = stats.count - stats.failed
    style = RED if row.is_denied else YELLOW if row.waiting else GREEN if stats.count and not stats.failed else RED
    ok = f"{stats.ok:.1f}" if stats.count else "-"
    return [(f"{row.source:<8} {row.to:<7} ", CLEAR), (f"{row.path:<6} ", PATH_STYLE.get(row.path, CLEAR)),
            (f"{stats.rps:>4.0f} ", CLEAR), (f"{ok:>5} ", style if stats.count else CLEAR),
            (f"{latency(stats.p50) if answered else '-':>6} {latency(stats.p99) if answered else '-':>6} ", CLEAR),
            (f"{row.tls:<4} ", RED if row.tls == "none" else CLEAR),
            (row.note, RED if row.is_denied else YELLOW if row.waiting else CLEAR)]


def play_line(text):
    if text.startswith("  ok "):
        return [("  ok ", GREEN), (text[5:], CLEAR)]
    if text.startswith("  NOT "):
        return [(text, RED)]
    if text.startswith("  $ "):
        return [(text, CYAN)]
    return [(text, CLEAR if text.startswith(" ") else BOLD)]


def paint(spans, width, colour):
    """One line, cut at the width."""
    line, left = "", width
    for text, style in spans:
        text = printable(text)[:left]
        left -= len(text)
        line += f"\x1b[{style}m{text}\x1b[0m" if colour and style != CLEAR and text else text
    return line if colour else line.rstrip()


def header(view, width):
    minutes, seconds = divmod(int(view.elapsed), 60)
    right = f"{view.state}  {minutes}:{seconds:02}"
    left = f"keelson  {view.act}"[:max(0, width - len(right) - 1)]
    return [(left, BOLD), (" " * max(1, width - len(left) - len(right)), CLEAR), (right, DIM)]


def wire_lines(view, width, count):
    seen = "READABLE" if view.is_readable else "nothing readable"
    title = f"-- wire, {view.wire}: {seen} ({view.frames_readable} readable frames in all) "
    lines = [[(title.ljust(width, "-"), RED if view.is_readable else GREEN)]]
    for source, destination, text in view.frames[-(count - 1):]:
        lines.append([(f"{source:>7} > {destination:<7} ", DIM), (" ".join(printable(text).split()), CLEAR)])
    return lines + [[]] * (count - len(lines))


def compose(view, width, height, colour):
    """Exactly `height` lines of at most `width` columns."""
    top = [header(view, width), [(HEAD, DIM)]] + [row_line(row) for row in view.rows]
    top += [[]] * (ROWS_MIN + 2 - len(top))  # the panes below do not jump when a row comes
    bottom = [[(key, DIM)] for key in KEYS]
    room = max(0, height - len(top) - len(bottom))
    if view.overlay:
        middle = [[(line, CLEAR)] for line in view.overlay[:room]]
    else:
        wire = min(max(4, room // 3), room)
        middle = wire_lines(view, width, wire)
        middle.append([("-" * width, DIM)])
        left = room - len(middle)
        middle += [play_line(line) for line in view.lines[-left:]] if left > 0 else []
    middle = middle[:room] + [[]] * (room - len(middle))
    return [paint(spans, width, colour) for spans in (top + middle + bottom)[:height]]


def table(pairs, before, after, rows):
    """Lines: each pair without the mesh and with it. before, after: pair -> Stats; rows: of the meshed time."""
    lines = [f"{'':<16} {'without mesh':<24} with mesh",
             f"{'FROM':<8} {'TO':<7} {'RPS':>4} {'OK%':>5} {'P50':>6} {'P99':>6}  "
             f"{'PATH':<6} {'TLS':<4} {'RPS':>4} {'OK%':>5} {'P50':>6} {'P99':>6}"]
    how = {(row.source, row.to): row for row in rows}
    for source, to in pairs:
        meshed = next((row for (start, end), row in how.items() if start == source and end.startswith(to)), None)
        left, right = (figures(stats.get((source, to))) for stats in (before, after))
        lines.append(f"{source:<8} {to:<7} {left}  {meshed.path if meshed else '-':<6} "
                     f"{meshed.tls if meshed else '-':<4} {right}")
    return lines


def figures(stats):
    if stats is None or not stats.count:
        return f"{'-':>4} {'-':>5} {'-':>6} {'-':>6}"
    return f"{stats.rps:>4.0f} {stats.ok:>5.1f} {latency(stats.p50):>6} {latency(stats.p99):>6}"
