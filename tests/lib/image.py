# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the test VM's image: what is in it, how it is made, and its place in the cache.

An image is a folder named by the hash of everything that made it, holding `root.erofs` and for
each kernel `vmlinuz`, `initrd` and `modules` (the same modules as in the image, for a depmod that
includes ours). It is made under a temporary name and renamed when complete, so an interrupted run
leaves nothing half done behind.
"""

import fcntl
import glob
import hashlib
import os
import shutil
import time

import kernels
from progress import Failure, cache_dir, run, step

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = os.path.join(os.path.dirname(HERE), "vm", "image")

# Nothing here does anything for a test, and each costs seconds under emulation.
MASKED = """
apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
fstrim.timer getty.target getty-static.service getty@.service serial-getty@.service
ldconfig.service systemd-binfmt.service systemd-boot-system-token.service
systemd-firstboot.service systemd-hwdb-update.service systemd-journal-catalog-update.service
systemd-journal-flush.service systemd-network-generator.service systemd-networkd.service
systemd-pstore.service systemd-quotacheck.service systemd-random-seed.service
systemd-remount-fs.service systemd-sysusers.service systemd-timesyncd.service
systemd-tmpfiles-clean.timer systemd-update-done.service systemd-update-utmp.service
systemd-update-utmp-runlevel.service dev-hugepages.mount
""".split()


class Image:
    brings_modules = False  # its kernels' modules are in its root file system
    more_mib = 0
    slower = 1

    def __init__(self, folder, kernel_list):
        self.folder = folder
        self.root = os.path.join(folder, "root.erofs")
        self.kernels = {k.series: k for k in kernel_list}

    def vmlinuz(self, series):
        return os.path.join(self.folder, series, "vmlinuz")

    def initrd(self, series):
        return os.path.join(self.folder, series, "initrd")

    def modules(self, series):
        """A tree with lib/modules/RELEASE below it."""
        return os.path.join(self.folder, series, "modules")

    def apparmor_cache(self, series):
        """Compiled AppArmor profiles, kept by the first boot; compiling them takes 15 s there."""
        return os.path.join(self.folder, series, "apparmor.tar")


def _recipe(kernel_list):
    """The hash of all that decides what an image contains."""
    h = hashlib.sha256()
    for name in ("image.py", "kernels.py"):
        with open(os.path.join(HERE, name), "rb") as f:
            h.update(f.read())
    for path in sorted(glob.glob(os.path.join(PARTS, "*"))):
        with open(path, "rb") as f:
            h.update(path.rsplit("/", 1)[1].encode() + b"\0" + f.read())
    h.update("\n".join(map(str, kernel_list)).encode())
    return h.hexdigest()[:16]


def _sources():
    """This machine's own Debian sources, as lines for mmdebstrap; other vendors' are left out."""
    out = run(["apt-get", "indextargets", "--format",
               "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"])
    lines = []
    for line in out.splitlines():
        origin, uri, suite, component = line.split("|")
        entry = f"deb {uri} {suite} {component}"
        if origin == "Debian" and suite.startswith("bookworm") and entry not in lines:
            lines.append(entry)
    if not lines:
        raise Failure("apt on this machine has no source for Debian 12 (bookworm), from which the "
                      "test VM is made; add one to /etc/apt/sources.list.d and run apt-get update.")
    return lines


def _apt_options():
    """What this machine's apt needs to reach its mirrors, the VM's needs too."""
    out = run(["apt-config", "dump"])
    return [f"--aptopt={line.rstrip(';')}" for line in out.splitlines()
            if line.startswith(("Acquire::http", "Acquire::https")) and '""' not in line]


def _packages():
    with open(os.path.join(PARTS, "packages")) as f:
        return [line.strip() for line in f if line.strip() and not line.startswith("#")]


def _bootstrap(root):
    options = ["--mode=root", "--variant=apt", "--format=directory",
               "--include=" + ",".join(_packages()),
               "--aptopt=Apt::Install-Recommends false",
               "--dpkgopt=path-exclude=/usr/share/doc/*",
               "--dpkgopt=path-exclude=/usr/share/man/*",
               "--dpkgopt=path-exclude=/usr/share/info/*",
               "--dpkgopt=path-exclude=/usr/share/locale/*",
               "--dpkgopt=path-exclude=/usr/share/i18n/*"]
    run(["mmdebstrap", *options, *_apt_options(), "bookworm", root, *_sources()])


def _write(root, path, text):
    with open(os.path.join(root, path.lstrip("/")), "w") as f:
        f.write(text)


def _configure(root):
    """Settle what systemd would otherwise settle at each boot."""
    _write(root, "/etc/hostname", "mdevd-test\n")
    _write(root, "/etc/hosts", "127.0.0.1 localhost mdevd-test\n")
    _write(root, "/etc/machine-id", "6d64657664746573746d6465766474ff\n")
    _write(root, "/etc/fstab", "")
    for unit in MASKED:
        path = os.path.join(root, "etc/systemd/system", unit)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink("/dev/null", path)
    run(["systemctl", f"--root={root}", "set-default", "multi-user.target"])
    run(["chroot", root, "passwd", "-d", "root"])
    run(["chroot", root, "systemd-hwdb", "update"])
    run(["chroot", root, "ldconfig"])
    run(["systemd-tmpfiles", f"--root={root}", "--create", "--prefix=/var", "--prefix=/etc"])
    for path in ("etc/.updated", "var/.updated"):
        _write(root, path, "")
    for path in glob.glob(os.path.join(root, "var/lib/apt/lists/*")) + \
            glob.glob(os.path.join(root, "var/cache/apt/*.bin")):
        if os.path.isfile(path):
            os.unlink(path)
    for folder in ("mnt/src", "mnt/build"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)


def _make(folder, kernel_list):
    root = os.path.join(folder, "root")
    for kernel in kernel_list:
        with step(f"fetching {kernel}"):
            tree = kernels.unpack(kernel, os.path.join(folder, f"unpacked-{kernel.series}"))
            kernels.prune(kernel, tree)
            out = os.path.join(folder, kernel.series)
            os.makedirs(os.path.join(out, "modules/lib"))
            shutil.copy(os.path.join(tree, f"boot/vmlinuz-{kernel.release}"),
                        os.path.join(out, "vmlinuz"))
            kernels.initrd(kernel, tree, PARTS, os.path.join(out, "initrd"))
            shutil.move(os.path.join(tree, "lib/modules"), os.path.join(out, "modules/lib"))
            shutil.rmtree(os.path.join(folder, f"unpacked-{kernel.series}"))
    with step("building the VM's root file system (first time only, 1 to 3 minutes)"):
        _bootstrap(root)
        for kernel in kernel_list:
            shutil.copytree(
                os.path.join(folder, kernel.series, "modules/lib/modules", kernel.release),
                os.path.join(root, "usr/lib/modules", kernel.release), symlinks=True)
        _configure(root)
        # whole seconds: what is compared with these times goes through a tar file
        run(["mkfs.erofs", "--quiet", f"-T{int(time.time())}",
             os.path.join(folder, "root.erofs"), root])
        shutil.rmtree(root)


def _unused(base, keep):
    """Clear away images of older recipes that no process uses; each takes half a gigabyte."""
    for path in glob.glob(os.path.join(base, "image-*")):
        if path == keep or path.endswith(".lock"):
            continue
        with open(path.removesuffix(".work") + ".lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path, ignore_errors=True)


def _build(base, folder, kernel_list):
    if os.geteuid() != 0:
        raise Failure("the VM's image is not built yet, and only root can build it "
                      "(mmdebstrap in root mode); run this once as root.")
    with open(os.path.join(base, "build.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(folder):
            return  # somebody else was faster
        work = folder + ".work"
        if os.path.isdir(work):
            shutil.rmtree(work)
        os.makedirs(work)
        _make(work, kernel_list)
        os.rename(work, folder)
        _unused(base, folder)


def obtain():
    """The image of this tree, made now if it is not in the cache. Held (against being cleared
    away) as long as this process lives."""
    kernel_list = kernels.find_all()
    base = cache_dir()
    folder = os.path.join(base, f"image-{_recipe(kernel_list)}")
    held = os.open(folder + ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    fcntl.flock(held, fcntl.LOCK_SH)
    if not os.path.isdir(folder):
        _build(base, folder, kernel_list)
    return Image(folder, kernel_list)
