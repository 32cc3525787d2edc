/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * refusal.c: owns the tables that turn an errno of a kernel step into the reason and the way out.
 * An errno means another thing in each step, so each has its own rows; what stands in no row gets
 * the system's words and a hint at the kernel's log.
 */
#include "backend/refusal.h"

typedef struct Meaning Meaning;

struct Meaning {
        RefusalStep step;
        int error; /* positive */
        Outcome outcome;
        const char *text;
        bool vendor; /* of a parent that is to have a vendor; such rows come first */
        bool ours;   /* of our module alone; such rows come first, too */
};

static const Meaning meanings[] = {
        { REFUSAL_OPEN_CONTROL, ENOENT, OUTCOME_FAILED,
          "the kernel module is not loaded: modprobe mdevd" },
        { REFUSAL_OPEN_CONTROL, ENODEV, OUTCOME_FAILED,
          "the kernel module is not loaded: modprobe mdevd" },
        { REFUSAL_OPEN_CONTROL, ENXIO, OUTCOME_FAILED,
          "the kernel module is not loaded: modprobe mdevd" },
        { REFUSAL_OPEN_CONTROL, EPROTO, OUTCOME_FAILED,
          "the kernel module is of another version than this daemon: install both from one build "
          "and load the module again" },
        { REFUSAL_OPEN_CONTROL, EACCES, OUTCOME_FAILED, "/dev/mdevd is not open to this user" },

        { REFUSAL_PROBE, ENODEV, OUTCOME_NOT_READY,
          "the driver mdevd did not take it: the kernel is still adding it, or its log says why" },
        { REFUSAL_OVERRIDE, ENOENT, OUTCOME_NO_PARENT, "there is no such PCI device" },

        { REFUSAL_CONFIGURE, ENOPKG, OUTCOME_NOT_SUPPORTED,
          "there is no such vendor's module: install it (modprobe finds it as mdevd-vendor-NAME), "
          "or correct \"vendor\"", .vendor = true },
        { REFUSAL_CONFIGURE, EOPNOTSUPP, OUTCOME_NOT_SUPPORTED,
          "a pool is to be scrubbed by the vendor's module, and that cannot: give the pool another "
          "\"scrub\"", .vendor = true },
        { REFUSAL_CONFIGURE, ENOSPC, OUTCOME_NOT_SUPPORTED,
          "a type has more vectors than the vendor's module signals: the kernel's log says which "
          "type",
          .vendor = true },
        { REFUSAL_CONFIGURE, EINVAL, OUTCOME_FAILED,
          "a type is in the way of the BARs that the vendor's module adds, or something else of "
          "its configuration is not what the module accepts: the kernel's log says which pool or "
          "type",
          .vendor = true },
        { REFUSAL_CONFIGURE, ENODEV, OUTCOME_FAILED,
          "the vendor's module does not know the card or has not all of it, or it is not bound to "
          "mdevd, or is going away: the kernel's log says which", .vendor = true },

        { REFUSAL_CONFIGURE, ENODEV, OUTCOME_FAILED, "it is not bound to mdevd, or is going away" },
        { REFUSAL_CONFIGURE, EINVAL, OUTCOME_FAILED,
          "a pool or a type of its configuration is not what the module accepts: the kernel's log "
          "says which" },
        { REFUSAL_CONFIGURE, ERANGE, OUTCOME_FAILED,
          "a pool, or a shared part of a type, does not lie in its BAR of the parent: compare "
          "offset and size with the BAR's in sysfs" },
        { REFUSAL_CONFIGURE, EBUSY, OUTCOME_FAILED,
          "a pool or a shared part overlaps another pool, or the pages of the MSI-X table or PBA: "
          "give each a range of its own" },
        { REFUSAL_CONFIGURE, EOPNOTSUPP, OUTCOME_NOT_SUPPORTED,
          "a type has vectors, and no IOMMU is there to contain the parent's DMA: switch it on, "
          "take the vectors out of its types, or accept that with \"unsafe_dma\"" },
        { REFUSAL_CONFIGURE, EXDEV, OUTCOME_NOT_SUPPORTED,
          "a type has vectors, and the parent's IOMMU group is also another driver's: unbind that, "
          "take the vectors out of its types, or accept that with \"unsafe_dma\"" },
        { REFUSAL_CONFIGURE, EPERM, OUTCOME_NOT_SUPPORTED,
          "a type has vectors, and interrupt remapping is off, so that they could not be isolated: "
          "switch it on, take the vectors out of its types, or accept that with \"unsafe_dma\"" },
        { REFUSAL_CONFIGURE, ENOSPC, OUTCOME_NOT_SUPPORTED,
          "a type has more vectors than the parent" },

        { REFUSAL_UNCONFIGURE, EBUSY, OUTCOME_BUSY,
          "it has devices of its old configuration; it takes the new one when they are gone" },

        { REFUSAL_RESERVE, ENODEV, OUTCOME_NO_PARENT,
          "the parent is not configured any more, or is going away" },
        { REFUSAL_RESERVE, ENOENT, OUTCOME_NO_TYPE,
          "the module knows no such type of this parent" },
        { REFUSAL_RESERVE, EEXIST, OUTCOME_EXISTS,
          "the UUID is reserved or alive: choose another, or wait until its memory is clean" },
        { REFUSAL_RESERVE, ERANGE, OUTCOME_FAILED,
          "an extent lies outside every pool: the parent is configured otherwise than the "
          "configuration says" },
        { REFUSAL_RESERVE, EINVAL, OUTCOME_FAILED, "the extents do not make up the type" },
        { REFUSAL_RESERVE, EBUSY, OUTCOME_NO_ROOM,
          "an extent is another device's, or its memory is still being zeroed: try again" },
        { REFUSAL_RESERVE, ENOSPC, OUTCOME_LIMIT, "there are too many reservations" },

        { REFUSAL_CREATE, EINVAL, OUTCOME_FAILED, "the driver does not accept it" },
        { REFUSAL_CREATE, ENOENT, OUTCOME_NO_TYPE,
          "the parent offers no such type any more, or its driver knows of no reservation" },
        { REFUSAL_CREATE, EEXIST, OUTCOME_EXISTS,
          "an mdev of this UUID exists already, perhaps on another parent" },
        { REFUSAL_CREATE, EUSERS, OUTCOME_NO_ROOM,
          "no instance is left: remove a device or choose another parent" },
        { REFUSAL_CREATE, ENOSPC, OUTCOME_NO_ROOM,
          "no room is left: remove a device or choose another parent" },
        { REFUSAL_CREATE, ENODEV, OUTCOME_FAILED, "the parent is being unregistered" },
        { REFUSAL_CREATE, EAGAIN, OUTCOME_FAILED, "the driver is not ready: try again" },
        { REFUSAL_CREATE, ECANCELED, OUTCOME_FAILED, "it was removed while it was being made" },
        { REFUSAL_CREATE, EBUSY, OUTCOME_NO_ROOM, "the extents overlap another device's",
          .ours = true },
        { REFUSAL_CREATE, EBUSY, OUTCOME_NO_ROOM,
          "what it needs of the parent is in use: try again, or choose another parent" },
        { REFUSAL_CREATE, EIO, OUTCOME_FAILED,
          "the driver failed: the kernel's log, and the vendor's, may say why" },

        { REFUSAL_ATTRIBUTE, ENOENT, OUTCOME_INVALID, "the device has no such attribute" },
        { REFUSAL_ATTRIBUTE, ELOOP, OUTCOME_INVALID,
          "its name leads out of the device by a link" },
        { REFUSAL_ATTRIBUTE, EACCES, OUTCOME_INVALID, "the attribute cannot be written" },
        { REFUSAL_ATTRIBUTE, EINVAL, OUTCOME_INVALID, "the driver does not accept the value" },

        { REFUSAL_REMOVE, EBUSY, OUTCOME_BUSY, "it is in use" },
        { REFUSAL_REMOVE, EPERM, OUTCOME_BUSY,
          "its driver does not let it go, as while a virtual machine uses it" },
        { REFUSAL_REMOVE, EAGAIN, OUTCOME_BUSY,
          "it is being removed already, or is being made still; try again" },

        { REFUSAL_SUSPEND, ENOENT, OUTCOME_NO_DEVICE, "the device has gone meanwhile" },
        { REFUSAL_SUSPEND, EBUSY, OUTCOME_BUSY,
          "another process has suspended it: it resumes by itself, or when that ends" },
        { REFUSAL_SUSPEND, ENODEV, OUTCOME_NO_PARENT, "the parent is going away" },

        { REFUSAL_MOVE, ENOENT, OUTCOME_NO_DEVICE,
          "the device has gone meanwhile, or has other extents; ask again" },
        { REFUSAL_MOVE, ENODEV, OUTCOME_NO_PARENT, "the parent is going away" },
        { REFUSAL_MOVE, EPERM, OUTCOME_NOT_SUPPORTED,
          "the module was not told that its type is movable: that takes effect when the parent has "
          "no devices, and is configured anew" },
        { REFUSAL_MOVE, ERANGE, OUTCOME_NO_ROOM,
          "the place lies in no pool of the same kind, cache and scrub" },
        { REFUSAL_MOVE, EINVAL, OUTCOME_INVALID,
          "the place is not one for it: an offset is a multiple of the page size, in a memory pool "
          "of the same cache and scrub" },
        { REFUSAL_MOVE, EBUSY, OUTCOME_BUSY,
          "the place is another device's, or the device is being moved by somebody else, was moved "
          "and still has the place that it left, or is being zeroed: try again" },
        { REFUSAL_MOVE, ECANCELED, OUTCOME_BUSY,
          "it was closed meanwhile, with which a move ends where it began: try again" },

        { REFUSAL_DEFINE, ENOSPC, OUTCOME_FAILED, "the disk of /etc is full; nothing is changed" },
        { REFUSAL_DEFINE, EDQUOT, OUTCOME_FAILED, "the disk of /etc is full; nothing is changed" },
        { REFUSAL_DEFINE, EROFS, OUTCOME_FAILED, "/etc cannot be written to; nothing is changed" },
        { REFUSAL_DEFINE, EFBIG, OUTCOME_INVALID,
          "with what other tools have put into its file that is more than can be read again; "
          "nothing is changed" },
        { REFUSAL_DEFINE, EIO, OUTCOME_FAILED, "the disk of /etc has failed; nothing is changed" },
};

static const char *const step_words[_REFUSAL_STEP_MAX] = {
        [REFUSAL_OPEN_CONTROL] = "could not be reached by /dev/mdevd for",
        [REFUSAL_UNBIND] = "would not be unbound from",
        [REFUSAL_OVERRIDE] = "refused the driver",
        [REFUSAL_PROBE] = "refused the driver",
        [REFUSAL_CONFIGURE] = "refused its configuration",
        [REFUSAL_UNCONFIGURE] = "refused another configuration",
        [REFUSAL_RESERVE] = "refused room for",
        [REFUSAL_CREATE] = "refused the creation of",
        [REFUSAL_ATTRIBUTE] = "refused attribute",
        [REFUSAL_REMOVE] = "refused the removal of",
        [REFUSAL_SUSPEND] = "refused to suspend",
        [REFUSAL_MOVE] = "refused the move of",
        [REFUSAL_DEFINE] = "cannot have a definition of",
        [REFUSAL_SETTLE] = "has the change, but it may not outlive a power failure, of",
};

static const Meaning *find_meaning(RefusalStep step, int error, const Record *r) {
        bool vendor = r->config && r->config->vendor;

        for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
                if (meanings[i].step == step && meanings[i].error == -error &&
                    (vendor || !meanings[i].vendor) && (r->ours || !meanings[i].ours))
                        return &meanings[i];
        return NULL;
}

/* "<uuid>", "<uuid> (mdevd-fb-16M)", "x of <uuid>", "i915", "with vendor edu", or nothing. */
static int describe_object(RefusalStep step, const Record *r, const char *detail, char **ret) {
        char uuid[UUID_STRING_MAX];
        int k;

        uuid_format(&r->uuid, uuid);
        if (step == REFUSAL_CONFIGURE && r->config && r->config->vendor)
                k = asprintf(ret, " with vendor %s", r->config->vendor);
        else if (r->kind == RECORD_CONFIGURE || step == REFUSAL_MOVE)
                k = asprintf(ret, "%s%s", detail ? " " : "", detail ?: "");
        else if (step == REFUSAL_ATTRIBUTE)
                k = asprintf(ret, " %s of %s", detail ?: "?", uuid);
        else if (r->type)
                k = asprintf(ret, " %s (%s)", uuid, r->type);
        else
                k = asprintf(ret, " %s", uuid);
        return k < 0 ? -ENOMEM : 0;
}

int refusal_describe(RefusalStep step, int error, const Record *r, const char *detail, char **ret) {
        const Meaning *m = find_meaning(step, error, r);
        _cleanup_(freep) char *object = NULL;
        const char *name = strerrorname_np(-error) ?: "unknown error";
        int k;

        k = describe_object(step, r, detail, &object);
        if (k < 0)
                return k;
        if (m)
                k = asprintf(ret, "%s %s%s: %s (%s).", r->parent, step_words[step], object, m->text,
                             name);
        else
                k = asprintf(ret, "%s %s%s: %s (%s); the kernel's log may say more.", r->parent,
                             step_words[step], object, strerrordesc_np(-error) ?: "unknown", name);
        if (k < 0)
                return -ENOMEM;
        return m ? (int) m->outcome : OUTCOME_FAILED;
}
