"""Where a journal lies: on what kind of file system, told by /proc/self/mountinfo of Linux."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = {
    "nfs": "NFS",
    "nfs4": "NFS",
    "cifs": "SMB",
    "smb3": "SMB",
    "smbfs": "SMB",
    "9p": "9P",
    "afs": "AFS",
    "ceph": "Ceph",
    "glusterfs": "GlusterFS",
    "lustre": "Lustre",
    "davfs": "WebDAV",
}
_NETWORK_FUSE: Final = re.compile(
    r"fuse\.(sshfs|s3fs|mount-s3|rclone|gcsfuse|glusterfs|ceph|davfs2?|blobfuse2?|cifs|smb)"
)
_EFS: Final = re.compile(r"\.efs\.|^fs-[0-9a-f]+|^127\.0\.0\.1:/")
"""Sources of NFS mounts that are Amazon's EFS: its own name, or the local end of efs-utils."""


def network_file_system(path: Path) -> str:
    """The name of the network file system that the path is on; "" if it is a local one, or nobody knows."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return network_in(mounts, path.absolute().resolve())


def network_in(mounts: str, path: Path) -> str:
    """The same by the text of mountinfo, for a path without symbolic links."""
    longest, name = -1, ""
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields, (kind, source, *_) = before.split(" "), [*after.split(" "), "", ""]
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4])) if separator else None
        if point is not None and path.is_relative_to(point) and len(point.parts) >= longest:
            longest, name = len(point.parts), _name_of(kind, source)
    return name


def _name_of(kind: str, source: str) -> str:
    if kind in {"nfs", "nfs4"} and _EFS.search(source):
        return "EFS"
    return _NETWORK.get(kind) or (kind.removeprefix("fuse.") if _NETWORK_FUSE.match(kind) else "")


def network_warning(path: Path) -> str:
    """What to know of a journal at this path, as a sentence that ends with what to do; "" on a local file system."""
    name = network_file_system(path)
    return name and (
        f"journal {path} is on {name}, a network file system, where SQLite's locks and write-ahead log are not safe: "
        "put it on a local disk (a store keeps what must outlive the machine)"
    )
