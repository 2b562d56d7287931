import os
import pathlib
import unittest

from live import screen
from live.book import Row, Stats

GOLDEN = pathlib.Path(__file__).resolve().parent / "screen.golden"


def stats(count=80, failed=0, p50=0.0012, p99=0.0104):
    good = 100.0 * (count - failed) / count if count else 0.0
    return Stats(count, failed, count / 2, good, p50 if failed < count else 0.0, p99 if failed < count else 0.0, p99)


def view(**more):
    rows = [Row("web", "cart", "direct", stats(), "-"), Row("web", "ads", "mtls", stats(), "1.3"),
            Row("cart", "pay-v1", "l7", stats(180), "1.3", "pay-canary 90 %"),
            Row("cart", "pay-v2", "l7", stats(20, 4, 0.0021, 0.312), "1.3", "pay-canary 10 %"),
            Row("mallory", "pay", "-", stats(40, 40), "-", "deny shop/pay-callers", 0, True)]
    lines = ["Only cart may call pay", "  $ kubectl apply -f tools/dev/demo/later/pay-callers.yaml",
             "  ok  mallory is refused at once: refused, 0.05 s from save to enforcement", "  NOT cart still may"]
    return screen.View(**{**dict(act="6/10 mallory denied", state="next act in 4 s", elapsed=75.2, rows=rows,
                                 wire="cart and pay", frames=[("cart", "pay-v1", "\x17\x03\x03 \x1b[31mq\x90")] * 9,
                                 frames_readable=1469, lines=lines), **more})


class Screen(unittest.TestCase):
    def test_80_by_24_without_colours_is_as_recorded(self):
        text = "\n".join(screen.compose(view(), 80, 24, False)) + "\n"
        if os.environ.get("KEELSON_UPDATE_GOLDEN") == "1":
            GOLDEN.write_text(text)
        self.assertEqual(GOLDEN.read_text(), text)

    def test_every_size_is_filled_and_never_exceeded(self):
        for width in (20, 40, 80, 200):
            for height in (8, 16, 24, 60):
                for overlay in ([], list(screen.HELP)):
                    lines = screen.compose(view(overlay=overlay), width, height, False)
                    self.assertEqual(height, len(lines), (width, height))
                    self.assertLessEqual(max(map(len, lines)), width, (width, height))

    def test_what_a_pod_sends_is_no_control_character(self):
        for line in screen.compose(view(), 80, 24, False):
            self.assertTrue(all(" " <= c <= "~" for c in line), repr(line))

    def test_colours_change_no_text(self):
        import re
        plain, painted = (screen.compose(view(), 80, 24, colour) for colour in (False, True))
        self.assertNotEqual(plain, painted)
        self.assertEqual(plain, [re.sub("\x1b\\[[0-9]+m", "", line).rstrip() for line in painted])

    def test_the_newest_lines_of_the_play_are_shown(self):
        lines = screen.compose(view(lines=[f"line {number}" for number in range(99)]), 80, 24, False)
        self.assertIn("line 98", lines)
        self.assertNotIn("line 0", lines)

    def test_the_help_fits_80_by_24(self):
        lines = screen.compose(view(overlay=list(screen.HELP)), 80, 24, False)
        for line in screen.HELP:
            self.assertIn(line, lines)

    def test_latencies_fit_six_columns(self):
        for seconds, text in ((0, "-"), (0.00042, "0.4ms"), (0.00994, "9.9ms"), (0.00996, "10ms"), (0.9994, "999ms"),
                              (0.9996, "1.0s"), (12.34, "12.3s")):
            self.assertEqual(text, screen.latency(seconds))


class Table(unittest.TestCase):
    def test_each_pair_is_shown_without_the_mesh_and_with_it(self):
        pairs = (("web", "cart"), ("cart", "pay"))
        lines = screen.table(pairs, {pairs[0]: stats()}, {pairs[0]: stats(p50=0.002), pairs[1]: stats()}, view().rows)
        self.assertEqual([
            "                 without mesh             with mesh",
            "FROM     TO       RPS   OK%    P50    P99  PATH   TLS   RPS   OK%    P50    P99",
            "web      cart      40 100.0  1.2ms   10ms  direct -      40 100.0  2.0ms   10ms",
            "cart     pay        -     -      -      -  l7     1.3    40 100.0  1.2ms   10ms"], lines)
        self.assertLessEqual(max(map(len, lines)), 80)
