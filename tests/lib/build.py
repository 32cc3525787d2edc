# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns building mdevd on this machine in its variants, running the host tests of each, and the
tree that the VM gets as if by `meson install`."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time

from progress import Failure, cache_dir, die_with_parent, step

# Two compilers, each with the warnings it knows; the sanitizers are clang's, which see more (of
# undefined behaviour, an offset to a null pointer).
VARIANTS = {
    "gcc": {"env": {"CC": "gcc"}, "options": ()},
    "sanitize": {"env": {"CC": "clang"}, "options": ("-Db_sanitize=address,undefined",
                                                     "-Db_lundef=false")},
}
COMMON = ("--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var", "-Dwerror=true")

# A sanitizer that only prints is one nobody hears.
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
}


def build_base(top):
    """Build folders live in the cache, one set for each checkout."""
    tag = hashlib.sha256(os.path.realpath(top).encode()).hexdigest()[:10]
    base = os.path.join(cache_dir(), f"build-{tag}")
    os.makedirs(base, exist_ok=True)
    return base


class Lock:
    """Two runs on one checkout take turns at building."""

    def __init__(self, top):
        self.path = os.path.join(build_base(top), "lock")
        self.file = None

    def __enter__(self):
        self.file = open(self.path, "w")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("waiting for another run on this checkout to end its build"):
                fcntl.flock(self.file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        self.file.close()


def call(argv, env=None, nice=0):
    """Returns status and output."""
    done = subprocess.run(["nice", "-n", str(nice), *argv], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                          errors="replace", check=False, env={**os.environ, **(env or {})},
                          preexec_fn=die_with_parent)
    return done.returncode, done.stdout


class MesonBuild:
    def __init__(self, top, variant, jobs):
        self.top = top
        self.variant = variant
        self.jobs = jobs
        self.folder = os.path.join(build_base(top), variant)
        self.options = [*COMMON, *VARIANTS[variant]["options"]]
        self.env = {**VARIANTS[variant]["env"], **SANITIZERS}
        self.nice = 0  # of its compilers and tests
        self.tried = False
        self.ready = False  # built, as it is now

    def _call(self, *argv):
        return call(argv, self.env, self.nice)

    def setup(self):
        """Configure, from nothing when the options are not those of the last time."""
        stamp = os.path.join(self.folder, "mdevd-options")
        wanted = json.dumps([self.options, VARIANTS[self.variant]["env"]])
        try:
            with open(stamp) as f:
                if f.read() == wanted:
                    return 0, ""
        except FileNotFoundError:
            pass
        shutil.rmtree(self.folder, ignore_errors=True)
        status, out = self._call("meson", "setup", *self.options, self.folder, self.top)
        if status == 0:
            with open(stamp, "w") as f:
                f.write(wanted)
        return status, out

    def build(self):
        self.tried = True
        status, out = self.setup()
        if status == 0:
            status, out = self._call("ninja", "-C", self.folder, f"-j{self.jobs}")
        self.ready = status == 0
        return status, out

    def tests(self):
        """Names as `suite/name`, as the build files say now; None when these are broken."""
        status, out = self.setup()
        if status == 0:
            # brings the build files up to date without building
            status, out = self._call("ninja", "-C", self.folder, "build.ninja")
        if status != 0:
            return None
        status, out = call(["meson", "introspect", "--tests", self.folder])
        if status != 0:
            return None
        found = json.loads(out)
        plain = sorted(t["name"] for t in found)
        for one, next_one in zip(plain, plain[1:]):
            if one == next_one:
                raise Failure(f"two host tests are named {one}, and `meson test` stops half way: "
                              "give one another name")
        return [self._name(t["suite"], t["name"]) for t in found]

    @staticmethod
    def _name(suites, name):
        suite = next((s.split(":", 1)[1] for s in suites if ":" in s), "")
        return f"{suite}/{name}" if suite else name

    def run_tests(self, names):
        """Run these and yield (name, passed, seconds, output, why)."""
        plain = [n.rsplit("/", 1)[-1] for n in names]
        log = os.path.join(self.folder, "meson-logs", "testlog.json")
        if os.path.exists(log):
            os.unlink(log)
        status, out = self._call("meson", "test", "-C", self.folder, "--no-rebuild",
                                 "--num-processes", str(self.jobs), "--timeout-multiplier", "4",
                                 *plain)
        seen = set()
        if os.path.exists(log):
            with open(log) as f:
                for line in f:
                    entry = self._entry(json.loads(line))
                    if entry[0] in names:
                        seen.add(entry[0])
                        yield entry
        for name in names:
            if name not in seen:
                yield name, False, 0.0, out, f"meson test (status {status}) did not report it"

    @staticmethod
    def _entry(record):
        # "suite:dir / name", or just the name
        name = record["name"]
        if " / " in name:
            project, name = name.split(" / ", 1)
            name = MesonBuild._name([project.split("+")[0]], name)
        result = record["result"]
        output = (record.get("stdout") or "") + (record.get("stderr") or "")
        why = "" if result == "OK" else f"meson says {result}"
        return name, result == "OK", record["duration"], output, why

    def install(self, dest):
        status, out = call(["meson", "install", "-C", self.folder, "--no-rebuild", "--quiet",
                            "--destdir", dest], self.env)
        if status != 0:
            raise Failure(f"meson install failed:\n{out}")


def timed(function, *args):
    begin = time.monotonic()
    status, out = function(*args)
    return status, out, time.monotonic() - begin

