/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names.h: every name that others see, in one place: bus, paths, drivers, environment. */
#pragma once

#define MDEVD_BUS_NAME "org.mdevd1"
#define MDEVD_OBJECT_ROOT "/org/mdevd1"
#define MDEVD_OBJECT_PARENT MDEVD_OBJECT_ROOT "/parent"
#define MDEVD_OBJECT_DEVICE MDEVD_OBJECT_ROOT "/device"
#define MDEVD_OBJECT_OPERATION MDEVD_OBJECT_ROOT "/operation"
#define MDEVD_IFACE_MANAGER "org.mdevd1.Manager"
#define MDEVD_IFACE_PARENT "org.mdevd1.Parent"
#define MDEVD_IFACE_DEVICE "org.mdevd1.Device"
#define MDEVD_IFACE_OPERATION "org.mdevd1.Operation"
#define MDEVD_ERROR_PREFIX "org.mdevd1.Error."

/* Below the root directory (--root=, "/" by default), hence no leading slash. */
#define MDEVD_PATH_DEFINITIONS "etc/mdevctl.d"
#define MDEVD_PATH_EXTRAS "etc/mdevd/definitions"
#define MDEVD_PATH_RUN "run/mdevd"
#define MDEVD_PATH_OPERATIONS MDEVD_PATH_RUN "/ops"
#define MDEVD_PATH_DEVICES MDEVD_PATH_RUN "/devices"
#define MDEVD_PATH_CONTROL "dev/mdevd"
#define MDEVD_PATH_SYSFS "sys"

#define MDEVD_FD_CONTROL "control" /* of MDEVD_PATH_CONTROL, in the service manager's store */

#define MDEVD_DRIVER "mdevd" /* the PCI driver; prefix of our types' ids in sysfs */
