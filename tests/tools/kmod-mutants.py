#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Takes one check after another out of the module and says whether a test notices.

kmod-mutants.py [WORD...]        the computing parts, by the programs of tests/unit, on this machine
kmod-mutants.py --vm [WORD...]   what needs a kernel: prints for each mutant the case of tests/vm that
                                 must fail, and with --apply N puts mutant N into the tree, to be run
                                 with `tests/run --filter vm/6.12/CASE` and taken back with git

A WORD selects by file or program. The exit status says whether all were noticed."""

import os
import shutil
import subprocess
import sys
import tempfile

TREE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
CC = os.environ.get("CC", "gcc")
FLAGS = ["-std=gnu17", "-O1", "-D_GNU_SOURCE", "-w"]

# file, what stands there, what stands there instead, program that must fail
PURE = [
    ("mdevd_check.c", "if (start > limit || length > limit - start)", "if (start > limit)", "check"),
    ("mdevd_check.c", "if (!length || !IS_ALIGNED(start, page) ||", "if (!IS_ALIGNED(start, page) ||",
     "check"),
    ("mdevd_check.c", "overlap(start, end, bounds->holes[i].start,\n\t\t\t    bounds->holes[i].end)",
     "0", "check"),
    ("mdevd_check.c", "pool->scrub == MDEVD_SCRUB_VENDOR && !bounds->vendor_scrub", "0", "check"),
    ("mdevd_check.c", "pool->kind == MDEVD_POOL_REGISTERS &&\n\t    pool->scrub == MDEVD_SCRUB_ZERO",
     "0", "check"),
    ("mdevd_check.c", "if (limit < bounds->page)\n\t\treturn -EINVAL;\n\n\treturn check_range",
     "return check_range", "check"),
    ("mdevd_check.c", "i + 1 >= MDEVD_MAX_BARS || t->bars[i + 1].length",
     "i + 1 < MDEVD_MAX_BARS && t->bars[i + 1].length", "check"),
    ("mdevd_check.c", "part->kind == MDEVD_PART_VENDOR && !bounds->vendor", "0", "check"),
    ("mdevd_check.c", "if (part->kind == MDEVD_PART_SHARED)\n\t\treturn check_shared("
     "bounds, pools, n_pools, part);", "if (part->kind == MDEVD_PART_SHARED)\n\t\treturn 0;", "check"),
    ("mdevd_check.c", "if (vectors[i] >= bounds->vectors)", "if (vectors[i] > bounds->vectors)",
     "check"),
    ("mdevd_check.c", "!bounds->vendor && types[i].vectors > bounds->vectors", "0", "check"),
    ("mdevd_check.c", "e->length <= p->length - (e->offset - p->offset)", "1", "check"),
    ("mdevd_check.c", "missing[i] || !check_whole(type, i, extents, n)", "missing[i]", "check"),
    ("mdevd_check.c", "return mdevd_check_find_pool(pools, n_pools, e) ? 0 : -ERANGE;", "return 0;",
     "check"),
    ("mdevd_resolve.c", "if (offset < p->guest)\n\t\treturn -ENXIO;", "", "resolve"),
    ("mdevd_resolve.c", "if (at < moved->hi)\n\t\treturn -EAGAIN;", "", "resolve"),
    ("mdevd_resolve.c", "(dev_offset & (page - 1)) != in_page || run < page - in_page", "0",
     "edu"),
    ("mdevd_resolve.c", "if (run > target->end - dev_offset)\n\t\trun = target->end - dev_offset;", "",
     "edu"),
    ("mdevd_resolve.c", "if (run > limit - offset)\n\t\trun = limit - offset;", "", "edu"),
    ("mdevd_resolve.c", "target->kind > MDEVD_PART_TRAPPED ||\n\t    ", "", "resolve"),
    ("mdevd_resolve.c", "piece->kind == MDEVD_PART_NONE || piece->kind == MDEVD_PART_LATE", "1",
     "layout"),
    ("mdevd_layout.c", "if (p->length > extents[i].length - at)\n\t\t\t\t"
     "p->length = extents[i].length - at;", "", "layout"),
    ("mdevd_layout.c", "if (type->bars[i].flags & MDEVD_BAR_64BIT)\n\t\t\t\ti++;", "", "layout"),
    ("mdevd_spans.c", "return set->items[i].start < end ? &set->items[i] : NULL;", "return NULL;",
     "spans"),
    ("mdevd_spans.c", "||\n\t    set->items[i].owner != owner", "", "spans"),
    ("mdevd_cfgspace.c", "cfg->data[pos + i] &= ~mask;\n\t\tcfg->data[pos + i] |= buf[i] & mask;",
     "cfg->data[pos + i] = buf[i];", "cfgspace"),
    ("mdevd_msix.c", "pos < end && i < end - pos; i++) {\n\t\tu8 mask", "i < count; i++) {\n\t\tu8 mask",
     "layout"),
    ("mdevd_text.c", "(unsigned char)s[i] < 0x20 || s[i] == 0x7f", "0", "check"),
]

# the same of what runs in a kernel only; the last word is the case
KERNEL = [
    ("mdevd_config.c", "if (parent->removing || parent->cut)\n\t\tret = -ENODEV;\n\telse if (configured",
     "if (configured", "kmod-error"),
    ("mdevd_region.c", "ret = wait_event_interruptible(v->hold_wait,", "ret = 0; wait_event(v->hold_wait,",
     "kmod-hold"),
    ("mdevd_map.c", "if (v->held)\n\t\treturn -EAGAIN;", "", "kmod-hold"),
    ("mdevd_map.c", "if (!(vma->vm_flags & VM_SHARED))\n\t\treturn -EINVAL;", "", "kmod-map"),
    ("mdevd_map.c", "return mdevd_resolve_mappable(bar->pieces, bar->n, &from, &to) &&\n"
     "\t       from == start && to >= end;", "return true;", "kmod-parts"),
    ("mdevd_map.c", "memset(page_address(dummy), 0xff, PAGE_SIZE);", "", "kmod-unplug"),
    ("mdevd_vendor.c", "if (type->vectors > parent->vendor->max_vectors)\n\t\treturn -ENOSPC;", "",
     "vendor-edu"),
    ("mdevd_vendors.c", "if (!ops) {\n\t\tdev_info_ratelimited(&parent->pdev->dev,\n"
     "\t\t\t\t     \"there is no vendor \\\"%s\\\"\\n\", name);\n\t\treturn -ENOPKG;\n\t}",
     "if (!ops)\n\t\treturn 0;", "vendor-edu"),
    ("mdevd_query.c", "if (config && config->unsafe)\n\t\tr.flags |= MDEVD_PARENT_UNSAFE_ASKED;", "",
     "kmod-irq-noremap"),
    ("mdevd_query.c", "if (config)\n\t\tstrscpy(r.vendor, config->vendor, sizeof(r.vendor));", "",
     "daemon-edu"),
]


def mutate(kmod, mutant):
    path = os.path.join(kmod, mutant[0])
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if text.count(mutant[1]) != 1:
        raise SystemExit(f"{mutant[0]}: {text.count(mutant[1])} times, not once: {mutant[1]!r}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(mutant[1], mutant[2]))


def run_program(kmod, program, out):
    """Builds and runs a program of tests/unit against that copy; its exit status."""
    pure = [f"mdevd_{n}.c" for n in ("cfgspace", "check", "layout", "msix", "resolve", "spans", "text")]
    unit = os.path.join(TREE, "tests", "unit")
    subprocess.run([CC, *FLAGS, "-I", kmod, "-I", os.path.join(TREE, "src"), "-I", unit, "-include",
                    os.path.join(unit, "kmod-pure.h"), "-fsanitize=address,undefined",
                    "-fno-sanitize-recover=all", "-o", out,
                    os.path.join(unit, f"test-kmod-{program}.c"),
                    *(os.path.join(kmod, p) for p in pure),
                    *(os.path.join(kmod, "vendor", p) for p in ("edu_plan.c", "edu_regs.c"))],
                   check=True)
    try:
        return subprocess.run([out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300,
                              check=False).returncode
    except subprocess.TimeoutExpired:
        return -1  # it hangs: noticed


def run_pure(words):
    survivors = 0
    with tempfile.TemporaryDirectory() as top:
        for program in sorted({m[3] for m in PURE}):
            if run_program(os.path.join(TREE, "kmod"), program, os.path.join(top, "program")) != 0:
                raise SystemExit(f"{program} fails without a mutant")
        for i, mutant in enumerate(PURE):
            if words and not any(w in mutant[0] or w == mutant[3] for w in words):
                continue
            kmod = os.path.join(top, "kmod")
            shutil.rmtree(kmod, ignore_errors=True)
            shutil.copytree(os.path.join(TREE, "kmod"), kmod)
            mutate(kmod, mutant)
            noticed = run_program(kmod, mutant[3], os.path.join(top, "program")) != 0
            survivors += not noticed
            print(f"{'ok' if noticed else 'NOT NOTICED'} {i} {mutant[0]}: {' '.join(mutant[1].split())}",
                  flush=True)
    return survivors


def main(argv):
    if "--vm" not in argv:
        return 1 if run_pure(argv) else 0
    if "--apply" in argv:
        mutate(os.path.join(TREE, "kmod"), KERNEL[int(argv[argv.index("--apply") + 1])])
        return 0
    for i, mutant in enumerate(KERNEL):
        print(f"{i} {mutant[3]} {mutant[0]}: {' '.join(mutant[1].split())}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
