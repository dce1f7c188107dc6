"""Folders that only the user of this process can enter, and traversal of them by one other user."""

import errno
import os
import stat
import struct
from pathlib import Path

PRIVATE_DIRECTORY = 0o700

# POSIX access control lists as Linux stores them (include/uapi/linux/posix_acl_xattr.h): a version, then entries of tag, rights, id.
_ACL = "system.posix_acl_access"
_VERSION, _HEADER, _ENTRY = 2, struct.Struct("<I"), struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_EXECUTE = 1


class NotPrivate(RuntimeError):
    """A folder belongs to another user, is a link, or cannot be made private; the message names it."""


def private_directory(path: Path) -> None:
    """Create `path` with mode 0700, or set that mode. What `allow_traversal` gave stays.

    Raises `NotPrivate` when it is a link or belongs to another user, who could replace what lies in it.
    """
    path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise NotPrivate(f"{path} is a link or belongs to another user; remove it")
    path.chmod(PRIVATE_DIRECTORY | (stat.S_IXGRP if _has_list(path) else 0))


def make_private(path: Path) -> None:
    """Take the rights of group and others from everything below `path` that belongs to this user."""
    private_directory(path)
    for folder, directories, files in os.walk(path):
        for name in (*directories, *files):
            _restrict(Path(folder) / name)


def _restrict(path: Path) -> None:
    try:
        found = path.lstat()
        if found.st_uid == os.geteuid() and found.st_mode & 0o077 and not stat.S_ISLNK(found.st_mode):
            path.chmod(stat.S_IMODE(found.st_mode) & 0o700)
    except FileNotFoundError:
        return  # another process removed it


def allow_traversal(path: Path, uid: int) -> None:
    """Let user `uid` pass through the parents of `path`, without reading them; other users get nothing.

    A database server may run as a user of its own (PostgreSQL refuses to run as root), while `var` is private.
    Raises `NotPrivate` when the file system has no access control lists.
    """
    for parent in reversed(path.resolve().parents):
        found = parent.stat()
        if found.st_uid == uid or found.st_mode & stat.S_IXOTH:
            continue
        try:
            os.setxattr(parent, _ACL, _acl_with(parent, stat.S_IMODE(found.st_mode), uid))
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
            raise NotPrivate(
                f"{parent} is closed to the user of the database server, and its file system has no access "
                "control lists: run as an ordinary user, or set DATABASE_URL"
            ) from error


def _acl_with(path: Path, mode: int, uid: int) -> bytes:
    """The present list of `path`, or the one of its mode, with the right to traverse for `uid`."""
    if _has_list(path):
        entries = {(tag, owner): rights for tag, rights, owner in _ENTRY.iter_unpack(_stored(path))}
    else:
        entries = {
            (_USER_OBJ, _NO_ID): mode >> 6,
            (_GROUP_OBJ, _NO_ID): mode >> 3 & 7,
            (_OTHER, _NO_ID): mode & 7,
        }
    entries[_USER, uid] = entries.get((_USER, uid), 0) | _EXECUTE
    entries[_MASK, _NO_ID] = entries.get((_MASK, _NO_ID), entries[_GROUP_OBJ, _NO_ID]) | _EXECUTE
    packed = [_ENTRY.pack(tag, rights, owner) for (tag, owner), rights in sorted(entries.items())]
    return _HEADER.pack(_VERSION) + b"".join(packed)


def _has_list(path: Path) -> bool:
    return hasattr(os, "listxattr") and _ACL in os.listxattr(path)


def _stored(path: Path) -> bytes:
    return os.getxattr(path, _ACL)[_HEADER.size :]
