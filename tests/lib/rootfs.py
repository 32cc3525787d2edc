# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns making the test VM's image: the root file system by mmdebstrap, and beside it what boots it.
What this file and those in tests/vm/image say decides what is in it, and so, by their hash, its
place in the cache (image.py)."""

import glob
import os
import shutil
import time

import kernels
from progress import Failure, run, step

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = os.path.join(os.path.dirname(HERE), "vm", "image")
HOST_SUITE = "bookworm"  # of the machine that this runs on

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


def _sources(suite):
    """This machine's own Debian sources, as lines for mmdebstrap; other vendors' are left out. It is a
    Debian 12, and the archives that have that have the other suite, too."""
    out = run(["apt-get", "indextargets", "--format",
               "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"])
    lines = []
    for line in out.splitlines():
        origin, uri, name, component = line.split("|")
        entry = f"deb {uri} {name.replace(HOST_SUITE, suite, 1)} {component}"
        if origin == "Debian" and name.startswith(HOST_SUITE) and entry not in lines:
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


def _bootstrap(root, suite):
    options = ["--mode=root", "--variant=apt", "--format=directory",
               "--include=" + ",".join(_packages()),
               "--aptopt=Apt::Install-Recommends false",
               "--dpkgopt=path-exclude=/usr/share/doc/*",
               "--dpkgopt=path-exclude=/usr/share/man/*",
               "--dpkgopt=path-exclude=/usr/share/info/*",
               "--dpkgopt=path-exclude=/usr/share/locale/*",
               "--dpkgopt=path-exclude=/usr/share/i18n/*",
               # these need /proc, which is there now; and this machine's own programs do not know all
               # that Debian 13's files say
               '--customize-hook=chroot "$1" systemd-tmpfiles --create --prefix=/var --prefix=/etc',
               '--customize-hook=chroot "$1" systemd-hwdb update']
    run(["mmdebstrap", *options, *_apt_options(), suite, root, *_sources(suite)])


def _write(root, path, text):
    with open(os.path.join(root, path.lstrip("/")), "w") as f:
        f.write(text)


def _put_mdevctl_aside(root):
    """It is there to be measured beside; its name is ours, and its rule would start definitions in
    our place."""
    for path in glob.glob(os.path.join(root, "usr/lib/udev/rules.d/*mdevctl.rules")):
        os.unlink(path)
    os.makedirs(os.path.join(root, "usr/lib/mdevctl"), exist_ok=True)
    for name in ("mdevctl", "lsmdev"):
        os.rename(os.path.join(root, "usr/bin", name),
                  os.path.join(root, "usr/lib/mdevctl", f"original-{name}"))


def _disable_profiles(root, paths):
    folder = os.path.join(root, "etc/apparmor.d/disable")
    os.makedirs(folder, exist_ok=True)
    for path in paths:
        link = os.path.join(folder, os.path.basename(path))
        if not os.path.lexists(link):
            os.symlink(path.removeprefix(root), link)


def _put_empty_profiles_aside(root):
    """Debian 13 has a hundred that confine nothing, for programs that are not here; loading them takes
    longer than the rest of a boot."""
    empty = []
    for path in filter(os.path.isfile, glob.glob(os.path.join(root, "etc/apparmor.d/*"))):
        with open(path, encoding="utf-8") as f:
            if "flags=(unconfined)" in f.read():
                empty.append(path)
    _disable_profiles(root, empty)


def _put_libvirt_aside(root):
    """A case that wants it starts it, and loads its AppArmor profiles."""
    units = [os.path.basename(path) for pattern in ("libvirt*", "virt*") for kind in
             ("service", "socket") for path in
             glob.glob(os.path.join(root, f"usr/lib/systemd/system/{pattern}.{kind}"))]
    run(["systemctl", f"--root={root}", "disable", *(u for u in units if "@" not in u)])
    _disable_profiles(root, glob.glob(os.path.join(root, "etc/apparmor.d/usr.*libvirt*")))


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
    run(["chroot", root, "ldconfig"])
    _put_mdevctl_aside(root)
    _put_libvirt_aside(root)
    _put_empty_profiles_aside(root)
    for path in ("etc/.updated", "var/.updated"):
        _write(root, path, "")
    for path in glob.glob(os.path.join(root, "var/lib/apt/lists/*")) + \
            glob.glob(os.path.join(root, "var/cache/apt/*.bin")):
        if os.path.isfile(path):
            os.unlink(path)
    for folder in ("mnt/src", "mnt/build"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)


def make(folder, kernel_list, suite):
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
        _bootstrap(root, suite)
        for kernel in kernel_list:
            shutil.copytree(
                os.path.join(folder, kernel.series, "modules/lib/modules", kernel.release),
                os.path.join(root, "usr/lib/modules", kernel.release), symlinks=True)
        _configure(root)
        # whole seconds: what is compared with these times goes through a tar file
        run(["mkfs.erofs", "--quiet", f"-T{int(time.time())}",
             os.path.join(folder, "root.erofs"), root])
        shutil.rmtree(root)
