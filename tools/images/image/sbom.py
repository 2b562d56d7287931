"""Bills of materials of an image, from dpkg's records: SPDX 2.3 and CycloneDX 1.5, both JSON, equal for equal inputs.

A licence is told only where the package's copyright file is machine-readable: with its SPDX identifier where Debian's
short name has one, else under Debian's name.
"""
import re
import urllib.parse
import uuid

from image import debian

NAMESPACE = "https://keelson.dev/sbom"
DISTRIBUTION = "debian-12"
# Debian's short names that differ from SPDX's identifiers, and the identifiers that are the same in both.
RENAMED = {"GPL-2": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later", "GPL-3": "GPL-3.0-only", "GPL-3+": "GPL-3.0-or-later",
           "LGPL-2": "LGPL-2.0-only", "LGPL-2+": "LGPL-2.0-or-later", "LGPL-2.1": "LGPL-2.1-only",
           "LGPL-2.1+": "LGPL-2.1-or-later", "LGPL-3+": "LGPL-3.0-or-later", "BSD-2-clause": "BSD-2-Clause",
           "BSD-3-clause": "BSD-3-Clause", "Expat": "MIT", "BSL-1": "BSL-1.0", "zlib": "Zlib",
           "Artistic": "Artistic-1.0"}
SAME = {"Apache-2.0", "MIT", "ISC", "Zlib", "BSD-2-Clause", "BSD-3-Clause", "MPL-2.0", "MPL-1.1", "CC0-1.0", "curl",
        "BSL-1.0", "LGPL-2.1-only", "LGPL-2.1-or-later", "GPL-2.0-only", "GPL-2.0-or-later"}


def identifier(name):
    """SPDX's identifier of a licence that Debian calls `name`, or None."""
    return RENAMED.get(name) or (name if name in SAME else None)


def purl(package):
    quoted = urllib.parse.quote(package.version, safe=".-_~")
    return (f"pkg:deb/debian/{urllib.parse.quote(package.name, safe='.-_~')}@{quoted}"
            f"?arch={package.arch}&distro={DISTRIBUTION}")


def license_names(package):
    return debian.license_names(package.copyright().decode(errors="replace"))


def expression(names):
    """All licences of a package together, or NOASSERTION when one has no identifier."""
    identifiers = [identifier(name) for name in names]
    return " AND ".join(sorted(set(identifiers))) if names and None not in identifiers else "NOASSERTION"


def element(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def spdx_package(package):
    names = license_names(package)
    entry = {"SPDXID": element("deb-" + package.name), "name": package.name, "versionInfo": package.version,
             "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
             "supplier": f"Organization: {package.maintainer}",
             "licenseConcluded": "NOASSERTION", "licenseDeclared": expression(names), "copyrightText": "NOASSERTION",
             "sourceInfo": f"Debian source package {package.source} {package.source_version}",
             "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                               "referenceLocator": purl(package)}]}
    if names:
        entry["licenseComments"] = "Licences of parts, by Debian's short names: " + ", ".join(names)
    if package.homepage:
        entry["homepage"] = package.homepage
    return entry


def spdx(image, about, digest, packages, compiled_in):
    root = element(image.name)
    own = {"SPDXID": root, "name": image.name, "versionInfo": about.version, "downloadLocation": "NOASSERTION",
           "filesAnalyzed": False, "supplier": "Organization: Keelson", "licenseConcluded": about.licenses,
           "licenseDeclared": about.licenses, "copyrightText": "NOASSERTION", "primaryPackagePurpose": "CONTAINER",
           "checksums": [{"algorithm": "SHA256", "checksumValue": digest.split(":")[1]}]}
    related = {"CONTAINS": [spdx_package(package) for package in packages],
               "STATIC_LINK": [spdx_package(package) for package in compiled_in]}
    relationships = [{"spdxElementId": root, "relationshipType": how, "relatedSpdxElement": entry["SPDXID"]}
                     for how, entries in related.items() for entry in entries]
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": f"{image.name}-{about.version}-{about.arch}",
            "documentNamespace": f"{NAMESPACE}/{image.name}/{digest.split(':')[1]}",
            "creationInfo": {"created": about.created,
                             "creators": ["Tool: keelson-tools-images", "Organization: Keelson"]},
            "packages": [own, *related["CONTAINS"], *related["STATIC_LINK"]],
            "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                               "relatedSpdxElement": root}, *relationships]}


def cyclonedx_component(package, linkage):
    licenses = []
    for name in license_names(package):
        known = identifier(name)
        licenses.append({"license": {"id": known} if known else {"name": name}})
    component = {"type": "library", "bom-ref": purl(package), "name": package.name, "version": package.version,
                 "purl": purl(package), "supplier": {"name": package.maintainer},
                 "properties": [{"name": "keelson:debian:source",
                                 "value": f"{package.source} {package.source_version}"},
                                {"name": "keelson:linkage", "value": linkage}]}
    if licenses:
        # Two of Debian's names may have one identifier.
        component["licenses"] = [licenses[i] for i in range(len(licenses)) if licenses[i] not in licenses[:i]]
    if package.homepage:
        component["externalReferences"] = [{"type": "website", "url": package.homepage}]
    return component


def cyclonedx(image, about, digest, packages, compiled_in):
    root = f"{image.name}@{digest}"
    components = [*(cyclonedx_component(package, "file") for package in packages),
                  *(cyclonedx_component(package, "compiled in") for package in compiled_in)]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "serialNumber": "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}/{image.name}/{digest}")),
            "metadata": {"timestamp": about.created,
                         "tools": {"components": [{"type": "application", "name": "keelson-tools-images"}]},
                         "component": {"type": "container", "bom-ref": root, "name": image.name,
                                       "version": about.version, "licenses": [{"license": {"id": about.licenses}}],
                                       "hashes": [{"alg": "SHA-256", "content": digest.split(":")[1]}]}},
            "components": components,
            "dependencies": [{"ref": root, "dependsOn": [component["bom-ref"] for component in components]}]}
