"""Template: text with `@name@` for a value and, from a line `@each name@` to a line `@end@`, lines for each of a list.

Pure. The configuration of the peers is written in it, so that it can be read without the program that fills it in.
"""
import re

VALUE = re.compile(r"@([a-z_]+)@")
EACH = re.compile(r"^@each ([a-z_]+)@\n(.*?)^@end@\n", re.MULTILINE | re.DOTALL)


class BadTemplate(Exception):
    """A name that has no value, or a repetition without end."""


def render(text, values, lists):
    """`lists`: name -> the values that @name@ takes within its @each."""
    def repeated(match):
        name, lines = match.groups()
        if name not in lists:
            raise BadTemplate(f"no list for @each {name}@")
        return "".join(lines.replace(f"@{name}@", value) for value in lists[name])

    def value(match):
        if match.group(1) not in values:
            raise BadTemplate(f"no value for {match.group(0)}")
        return str(values[match.group(1)])

    spread = EACH.sub(repeated, text)
    for left in ("@each ", "@end@"):
        if left in spread:
            raise BadTemplate(f"{left.strip()} without its other half")
    return VALUE.sub(value, spread)
