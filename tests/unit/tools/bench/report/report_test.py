import contextlib
import io
import json
import os
import pathlib
import re
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from unittest import mock

import sample
from ladder import compare, figures, goals, lines, page, plot, report, svg, table

HERE = pathlib.Path(__file__).resolve().parent
SVG = "{http://www.w3.org/2000/svg}"


def compare_golden(test, name, text):
    if os.environ.get("KEELSON_UPDATE_GOLDEN") == "1":
        (HERE / name).write_text(text)
    test.assertEqual((HERE / name).read_text(), text)


class Figures(unittest.TestCase):
    def test_three_digits_and_a_unit(self):
        for value, unit, text in ((0, "us", "0us"), (0.004, "", "0.004"), (0.00004, "", "4e-5"),
                                  (0.0234, "s", "0.023s"), (0.42, "s", "0.420s"),
                                  (1.234, "ms", "1.23ms"), (9.996, "us", "10.0us"), (99.96, "us", "100us"),
                                  (999.6, "us", "1.00ms"), (57200, "1/s", "57.2k/s"), (-40, "us", "-40.0us"),
                                  (None, "us", "-")):
            self.assertEqual(text, figures.with_unit(value, unit))


    def test_ticks_have_no_zeros_behind_the_point(self):
        for value, text in ((0, "0"), (0.5, "0.5"), (10, "10"), (2.5, "2.5"), (100, "100"),
                            (1000, "1k"), (2500, "2.5k")):
            self.assertEqual(text, figures.tick(value))

    def test_a_letter_that_both_quartiles_have_stands_once(self):
        for q1, q3, text in ((57400, 58000, "57.4-58.0k"), (990, 1010, "990-1.01k"), (-40, -39.6, "-40.0..-39.6")):
            self.assertEqual(text, figures.quartiles(q1, q3))


class Table(unittest.TestCase):
    def lines(self, results, colour=False):
        return table.compose(results, goals.evaluate_all(results), colour)

    def test_the_table_is_as_recorded(self):
        compare_golden(self, "table.golden", "\n".join(self.lines(sample.results())) + "\n")

    def test_nothing_passes_100_columns_or_is_a_control_character(self):
        hostile = [{"what": "x\x1b[31m" * 40, "why": "y" * 300}]
        for line in self.lines(sample.results(missing=hostile)):
            self.assertLessEqual(len(line), 100)
            self.assertTrue(all(" " <= c <= "~" for c in line), repr(line))

    def test_colours_change_no_text(self):
        plain, painted = self.lines(sample.results()), self.lines(sample.results(), True)
        self.assertNotEqual(plain, painted)
        self.assertEqual(plain, [re.sub("\x1b\\[[0-9]+m", "", line).rstrip() for line in painted])


class Page(unittest.TestCase):
    def test_the_page_is_as_recorded(self):
        results = sample.results()
        drawn = list(plot.draw_all(results))
        compare_golden(self, "page.golden", page.compose(results, goals.evaluate_all(results), drawn))

    def test_an_empty_run_says_what_it_lacks(self):
        results = lines.parse({"about": {}, "lines": []})
        text = page.compose(results, goals.evaluate_all(results), [])
        self.assertIn("| not recorded |", text)
        self.assertIn("Not drawn, because this run has no lines for it: cpu-same-node", text)
        self.assertNotIn("**met**", text)


class Plots(unittest.TestCase):
    def texts(self, picture):
        return [element.text for element in ElementTree.fromstring(picture).iter(SVG + "text")]

    def test_each_picture_names_its_variants_and_units(self):
        drawn = plot.draw_all(sample.results())
        self.assertEqual(list(plot.NAMES), list(drawn))
        for variant in ("none", "direct", "relay", "keelson-l7", "haproxy-http"):
            self.assertIn(variant, self.texts(drawn["cpu-same-node"]))
            self.assertIn(variant, self.texts(drawn["latency-same-node"]))
        self.assertIn("us of CPU time per request, lower is better", self.texts(drawn["cpu-same-node"]))
        self.assertIn("us, logarithmic, lower is better", self.texts(drawn["latency-same-node"]))
        for words in ("10", "1,000", "100,000", "policy rules, logarithmic", "us per connect"):
            self.assertIn(words, self.texts(drawn["policy-scale"]))

    def test_only_our_variants_have_the_accent_colour(self):
        for name in ("cpu-same-node", "latency-cross-node"):
            root = ElementTree.fromstring(plot.draw_all(sample.results())[name])
            ours = {text.text for text in root.iter(SVG + "text") if text.get("fill") == svg.ACCENT
                    and text.get("text-anchor") == "end"}
            self.assertEqual({"direct", "keelson-l7"} if name.startswith("cpu") else {"keelson-l4"}, ours)

    def test_without_lines_there_is_no_picture(self):
        self.assertEqual({}, plot.draw_all(lines.parse({"about": {}, "lines": []})))

    def test_names_are_escaped(self):
        entries = sample.rung("same-node", "<b>&", 1, 1, 1, 1, 2)
        for picture in plot.draw_all(lines.parse({"about": {}, "lines": entries})).values():
            self.assertIn("<b>&", self.texts(picture))

    def test_ticks_are_round_and_enclose_the_values(self):
        self.assertEqual([0, 10, 20, 30, 40], svg.linear_ticks(34.6))
        self.assertEqual((0, 1.0, 6), (svg.linear_ticks(1.0)[0], svg.linear_ticks(1.0)[-1], len(svg.linear_ticks(1.0))))
        self.assertEqual([50, 100, 200, 500], svg.log_ticks(60, 420))
        self.assertEqual([1, 10], svg.log_ticks(1, 1))


class Compare(unittest.TestCase):
    def run_of(self, **samples):
        return lines.parse({"about": {}, "lines": [{"id": id_, "unit": "us", "samples": values}
                                                   for id_, values in samples.items()]})

    def test_ranges_that_touch_overlap(self):
        before = self.run_of(a=[1, 2, 3], b=[1, 2, 3], c=[1, 2, 3], d=[1], e=[1, 1, 1])
        after = self.run_of(a=[2, 3, 4], b=[2.5, 2.5, 2.5], c=[2.6, 2.6, 2.6], d=[1], f=[1, 1, 1])
        found = compare.Comparison(before, after)
        self.assertEqual((["a", "b"], ["c"], ["d"], ["e", "f"]),
                         (found.same, list(found.apart), found.narrow, found.single))

    def test_what_was_measured_in_turns_is_compared_as_ratio(self):
        rung = "same-node/{}/c32/1k/h1/{}"
        ids = {name: rung.format(*name.split("_", 1))
               for name in ("none_cpu_all", "relay_cpu_all", "relay_cpu_proxies")}
        before = self.run_of(**{ids["none_cpu_all"]: [1, 2, 3], ids["relay_cpu_all"]: [2, 4, 6],
                               ids["relay_cpu_proxies"]: [1, 2, 3]})
        after = self.run_of(**{ids["none_cpu_all"]: [9, 8, 7], ids["relay_cpu_all"]: [18, 16, 14],
                              ids["relay_cpu_proxies"]: [1, 2, 3]})
        found = compare.Comparison(before, after)
        self.assertEqual(([ids["none_cpu_all"]], [ids["relay_cpu_all"]], [ids["relay_cpu_proxies"]]),
                         (found.references, found.same, list(found.apart)))
        self.assertEqual((1, 3), compare.as_measured(before, after))

    def test_a_line_whose_reference_one_run_lacks_is_not_compared(self):
        ids = {name: f"same-node/{name}/c32/1k/h1/rps" for name in ("none", "relay", "direct")}
        before = self.run_of(**{ids["none"]: [1, 1, 1], ids["relay"]: [2, 2, 2], ids["direct"]: [2, 2, 2]})
        after = self.run_of(**{ids["relay"]: [2, 2, 2], ids["direct"]: [2, 2, 2]})
        found = compare.Comparison(before, after)
        self.assertEqual(([ids["relay"], ids["direct"]], 0), (found.unpaired, found.ranged))

    def test_scenarios_name_their_references(self):
        for id_, base in (("policy-scale/rules1000/connect_p50", "policy-scale/rules10/connect_p50"),
                          ("handshake/keelson/cpu", "handshake/openssl/cpu"),
                          ("fairness/bodies/p99", "fairness/alone/p99"),
                          ("fairness/bodies/served", None), ("workers/two/rps", "workers/one/rps"),
                          ("idle/server-l7/mib", None)):
            self.assertEqual(base, compare.reference(id_))

    def test_nine_of_ten_hold_and_eight_do_not(self):
        for apart, holds in ((1, True), (2, False)):
            before = self.run_of(**{f"line{number}": [1, 2, 3] for number in range(10)})
            after = self.run_of(**{f"line{number}": [9, 9, 9] if number < apart else [1, 2, 3] for number in range(10)})
            text, held = compare.compose(before, after)
            self.assertEqual(holds, held)
            self.assertIn(f"{10 - apart} of 10 lines", text[0])
            self.assertEqual(apart, sum(line.startswith("line") for line in text))

    def test_runs_without_a_common_line_do_not_hold(self):
        self.assertFalse(compare.compose(self.run_of(a=[1, 2, 3]), self.run_of(b=[1, 2, 3]))[1])


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.results = self.folder / "results.json"
        self.results.write_text(json.dumps(sample.document()))

    def run_report(self, *arguments):
        out = io.StringIO()
        with contextlib.redirect_stderr(io.StringIO()):
            code = report.main([*map(str, arguments), "--json", str(self.folder / "out/report.json")], out)
        return code, out.getvalue()

    def test_json_holds_every_goal_and_line(self):
        code, text = self.run_report(self.results)
        found = json.loads((self.folder / "out/report.json").read_text())
        self.assertEqual(0, code)
        self.assertIn("goals: ", text)
        self.assertEqual({goal.id for goal in goals.GOALS}, {goal["id"] for goal in found["goals"]})
        self.assertEqual(len(sample.document()["lines"]), len(found["lines"]))
        self.assertFalse((self.folder / "performance.md").exists())

    def test_the_page_and_its_pictures_are_written_and_old_ones_go(self):
        (self.folder / "performance").mkdir()
        (self.folder / "performance/old.svg").write_text("old")
        self.assertEqual(0, self.run_report(self.results, "--docs", self.folder)[0])
        linked = set(re.findall(r"\]\(performance/(\S+)\)", (self.folder / "performance.md").read_text()))
        self.assertEqual(linked, {path.name for path in (self.folder / "performance").iterdir()})

    def test_what_cannot_be_read_is_said(self):
        for text in ("", "[]", "{}", '{"about":{},"lines":[{"id":"a"}]}'):
            self.results.write_text(text)
            self.assertEqual(2, self.run_report(self.results)[0])
        self.assertEqual(2, self.run_report(self.folder / "none.json")[0])

    def test_two_runs_are_compared(self):
        self.assertEqual(0, self.run_report("--compare", self.results, self.results)[0])

    def test_no_color_is_honoured(self):
        class Terminal(io.StringIO):
            def isatty(self):
                return True
        for value, is_painted in (("1", False), ("", True)):
            with mock.patch.dict(os.environ, {"NO_COLOR": value}):
                out = Terminal()
                report.main([str(self.results), "--json", str(self.folder / "report.json")], out)
                self.assertEqual(is_painted, "\x1b[" in out.getvalue())
