"""Whether the programs of an image of another architecture start: each is asked for its version by qemu's emulator.

The emulator is called by name, with the unpacked image as the place of the program's loader and libraries: nothing is
registered with the kernel, and a library that the image lacks is one that this machine lacks as well.
"""
import io
import json
import pathlib
import re
import subprocess
import tarfile

from image import contents, elf
from image.trouble import Trouble

EMULATORS = {"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}
TIME_LIMIT_S = 60
NUMBER = re.compile(r"(?<![\d.])\d+\.\d+\.\d+\b")


def unpack(archive, folder):
    """Unpacks the layers of an image's archive below `folder`; the architecture that its configuration names."""
    with tarfile.open(archive) as opened:
        def blob(descriptor):
            return opened.extractfile("blobs/" + descriptor["digest"].replace(":", "/")).read()
        index = json.loads(opened.extractfile("index.json").read())
        manifest = json.loads(blob(index["manifests"][0]))
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(blob(layer)), mode="r:gz") as packed:
                packed.extractall(folder)
        return json.loads(blob(manifest["config"]))["architecture"]


def programs(image):
    """{path in the image: whether it is ours}."""
    own = {f"{contents.PROGRAMS_FOLDER}/{name}": True for name in image.programs}
    return own | dict.fromkeys(image.foreign, False)


def ask(root, path, arch, emulator):
    """The first line that the program says to --version."""
    elf.read(f"{root}{path}", arch)
    try:
        done = subprocess.run([emulator, "-L", root, f"{root}{path}", "--version"], capture_output=True, text=True,
                              check=False, timeout=TIME_LIMIT_S)
    except FileNotFoundError:
        raise Trouble(f"no {emulator}: tools/setup tools/images/packages.txt") from None
    except subprocess.TimeoutExpired:
        raise Trouble(f"{path} said nothing for {TIME_LIMIT_S} s under {emulator}") from None
    if done.returncode != 0:
        raise Trouble(f"{path} --version ended with {done.returncode} under {emulator}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip().split("\n", 1)[0].replace(root, "")  # some say where they are


def versions(image, archive, folder, arch, version, emulator=None):
    """{path: what it says} for each program of the image; one of ours must say `version`."""
    named, said = unpack(archive, folder), {}
    if named != arch:
        raise Trouble(f"{archive} is an image for {named}, not for {arch}")
    for path, is_ours in programs(image).items():
        said[path] = ask(folder, path, arch, emulator or EMULATORS[arch])
        found = NUMBER.search(said[path])
        if found is None or (is_ours and found.group(0) != version):
            raise Trouble(f"{path} of {pathlib.Path(archive).name} says '{said[path]}', "
                          f"not {version if is_ours else 'a version'}")
    return said
