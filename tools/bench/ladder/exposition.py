"""exposition: figures out of the Prometheus text of an agent. Pure."""
import re

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")


def total(text, name, **labels):
    """The sum of a metric's samples that carry these labels. Error: KeyError when there is none."""
    values = []
    for line in text.splitlines():
        sample = SAMPLE.match(line)
        if sample and sample.group(1) == name:
            own = dict(re.findall(r'(\w+)="([^"]*)"', sample.group(2) or ""))
            if all(own.get(label) == value for label, value in labels.items()):
                values.append(float(sample.group(3)))
    if not values:
        raise KeyError(name)
    return sum(values)
