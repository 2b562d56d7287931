"""Load client: calls URLs in turn and prints one line a second with what came of it.

load.py [--every SECONDS] URL...
"""
import argparse
import collections
import time
import urllib.error
import urllib.request


def call(url):
    """The status, or the name of what went wrong."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except urllib.error.URLError as error:
        return type(error.reason).__name__
    except OSError as error:
        return type(error).__name__


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=float, default=0.05)
    parser.add_argument("urls", nargs="+")
    options = parser.parse_args()
    outcomes, reported = collections.Counter(), time.monotonic()
    while True:
        for url in options.urls:
            outcomes[url, call(url)] += 1
            time.sleep(options.every)
        if time.monotonic() - reported >= 1:
            for (url, outcome), count in sorted(outcomes.items()):
                print(f"{url} {outcome} {count}", flush=True)
            outcomes.clear()
            reported = time.monotonic()


if __name__ == "__main__":
    main()
