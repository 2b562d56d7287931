"""Elements of an SVG drawing as text, and axes with round ticks. Pure functions; knows nothing of results.

Colours stand on a white and on a dark page alike (4:1 on #ffffff and on #0d1117): a host shows the picture on the
page's own ground, and a media query would ask for the reader's system instead of the page.
"""
import math
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

INK, ACCENT = "#737b84", "#c8650a"
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Axis:
    """From values to places on the picture."""
    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def at(self, value):
        low, high, value = ((math.log10(x) for x in (self.low, self.high, max(value, self.low))) if self.is_log
                            else (self.low, self.high, value))
        return self.start + (self.end - self.start) * (value - low) / (high - low)


def step(high, count=5):
    """The round step that makes about `count` ticks."""
    raw = high / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    return next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw * 0.999)


def linear_ticks(high):
    width = step(high)
    return [width * number for number in range(math.ceil(high / width - 1e-9) + 1)]


def log_ticks(low, high):
    """1, 2 and 5 of each decade, just around the values."""
    all_ticks = [factor * 10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
                 for factor in (1, 2, 5)]
    first = max(tick for tick in all_ticks if tick <= low * 1.001)
    last = min(tick for tick in all_ticks if tick >= high * 0.999)
    ticks = [tick for tick in all_ticks if first <= tick <= last]
    return ticks if len(ticks) > 1 else [first, first * 10]


def number(value):
    return f"{value:.1f}".removesuffix(".0")


def element(name, content=None, **attributes):
    text = "".join(f" {key.replace('_', '-')}={quoteattr(number(value) if isinstance(value, float) else str(value))}"
                   for key, value in attributes.items())
    return f"<{name}{text}/>" if content is None else f"<{name}{text}>{content}</{name}>"


def text(x, y, words, anchor="start", colour=INK, size=12, weight="normal"):
    return element("text", escape(words), x=float(x), y=float(y), text_anchor=anchor, fill=colour, font_size=size,
                   font_weight=weight)


def line(x1, y1, x2, y2, colour=INK, width=1, opacity=1, dash=""):
    more = {"stroke_dasharray": dash} if dash else {}
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), stroke=colour, stroke_width=width,
                   stroke_opacity=opacity, **more)


def bar(x, y, width, height, colour, opacity):
    return element("rect", x=float(x), y=float(y), width=float(width), height=float(height), fill=colour,
                   fill_opacity=opacity, stroke=colour, stroke_width=1)


def dot(x, y, colour, is_filled=True):
    return element("circle", cx=float(x), cy=float(y), r=4, fill=colour if is_filled else "none", stroke=colour,
                   stroke_width=1.5)


def whisker(x1, x2, y, colour, half=4):
    return (line(x1, y, x2, y, colour, 1.5) + line(x1, y - half, x1, y + half, colour, 1.5)
            + line(x2, y - half, x2, y + half, colour, 1.5))


def whisker_upright(x, y1, y2, colour, half=4):
    return (line(x, y1, x, y2, colour, 1.5) + line(x - half, y1, x + half, y1, colour, 1.5)
            + line(x - half, y2, x + half, y2, colour, 1.5))


def picture(width, height, title, parts):
    body = "\n".join([element("title", escape(title)), *parts])
    return (f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}">\n{body}\n</svg>\n')
