"""Commands that are run to their end, with a time limit and an error that carries what they said."""
import subprocess

from harness.trouble import Trouble

SECONDS_MAX = 60


def run(*arguments, stdin=None, seconds_max=SECONDS_MAX, folder=None):
    """Standard output; Trouble when the command fails or takes longer."""
    code, out, err = attempt(*arguments, stdin=stdin, seconds_max=seconds_max, folder=folder)
    if code != 0:
        raise Trouble(f"{' '.join(map(str, arguments))}: exit status {code}: {(err or out).strip()}")
    return out


def attempt(*arguments, stdin=None, seconds_max=SECONDS_MAX, folder=None):
    """Exit status, standard output and standard error; 124 when it took longer."""
    words = [str(argument) for argument in arguments]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, errors="replace", cwd=folder,
                              timeout=seconds_max, check=False, **({} if stdin else {"stdin": subprocess.DEVNULL}))
    except subprocess.TimeoutExpired as late:
        return 124, text_of(late.stdout), text_of(late.stderr) + f"did not end within {seconds_max} s"
    except FileNotFoundError:
        return 127, "", f"{words[0]}: no such program"
    return done.returncode, done.stdout, done.stderr


def text_of(output):
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
