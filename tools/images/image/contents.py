"""What is in each image: the programs that this tree builds, and programs of the distribution beside them.

Everything else follows: the libraries that they need, the packages that these belong to, the certificates of the
public authorities, and the few files that the C library and OpenSSL look for.
"""
import dataclasses

ROOT_USER, PLAIN_USER = "0:0", "65532:65532"
HEADERS = ("libcli11-dev", "libexpected-dev", "nlohmann-json3-dev")
STATIC = ("libc6-dev", "libgcc-12-dev", "libstdc++-12-dev")  # in keelson-cni, which runs on the node's own system
SYSTEM = ("base-files", "ca-certificates", "bpftool")  # of which files are in images, beside libraries
PROGRAMS_FOLDER = "/usr/bin"


@dataclasses.dataclass(frozen=True)
class Image:
    name: str
    description: str
    programs: tuple  # of the build folder; the first one is the entry point
    user: str
    compiled_in: tuple  # packages of which parts are inside our programs: headers with code, static libraries
    foreign: tuple = ()  # absolute paths of the distribution's programs
    links: tuple = ()  # (path, target)

    @property
    def entry_point(self):
        return f"{PROGRAMS_FOLDER}/{self.programs[0]}"


IMAGES = {image.name: image for image in (
    Image("keelson-agent",
          "Keelson's agent of a node: compiles the mesh into kernel maps; with keelsonctl, keelson-cni, bpftool",
          ("keelson-agent", "keelsonctl", "keelson-cni"), ROOT_USER, (*HEADERS, *STATIC),
          foreign=("/usr/sbin/bpftool",)),
    Image("keelson-l7", "Keelson's proxy of a node: mutual TLS, HBONE, HTTP routing", ("keelson-l7",), PLAIN_USER,
          HEADERS),
    Image("keelson-hold", "Keelson's keeper of pod listeners: the only one that enters a pod's namespace",
          ("keelson-hold",), ROOT_USER, ("libexpected-dev",)),
    Image("keelson-ca", "Keelson's CA: signs certificates for agents that prove their node",
          ("keelson-ca",), PLAIN_USER,
          HEADERS),
    Image("keelson-ctl", "keelsonctl, also as kubectl plugin", ("keelsonctl",), PLAIN_USER, HEADERS,
          links=((f"{PROGRAMS_FOLDER}/kubectl-keelson", "keelsonctl"),)),
)}
