"""What this tree says about itself."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]


def version():
    return re.search(r"project\(keelson VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
