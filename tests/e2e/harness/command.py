"""Commands that are run to their end, with a time limit and an error that carries what they said."""
import subprocess

from harness.trouble import Trouble

SECONDS_MAX = 60


def run(*arguments, folder=None, **options):
    """Standard output; Trouble when the command fails or takes longer. Options as for `attempt`."""
    code, out, err = attempt(*arguments, folder=folder, **options)
    if code != 0:
        where = f" (in {folder})" if folder else ""
        raise Trouble(f"{' '.join(map(str, arguments))}{where}: exit status {code}: {(err or out).strip()}")
    return out


def attempt(*arguments, stdin=None, seconds_max=SECONDS_MAX, folder=None, environment=None):
    """Exit status, standard output and standard error; 124 when it took longer. `stdin` is text or an open file."""
    words = [str(argument) for argument in arguments]
    given = {"input": stdin} if isinstance(stdin, str) else {"stdin": stdin or subprocess.DEVNULL}
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", cwd=folder, env=environment,
                              timeout=seconds_max, check=False, **given)
    except subprocess.TimeoutExpired as late:
        return 124, text_of(late.stdout), text_of(late.stderr) + f"did not end within {seconds_max} s"
    except FileNotFoundError:
        return 127, "", f"{words[0]}: no such program"
    return done.returncode, done.stdout, done.stderr


def text_of(output):
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
