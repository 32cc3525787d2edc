/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels this module builds for.  Kbuild looks
 * up in the kernel's headers what there is and defines MDEVD_HAVE_*.
 *
 * 6.1:  vfio_alloc_device() memory is freed by the driver's release op; there
 *       is no iommufd, no inode per vfio device (mdevd_inode.c makes one), no
 *       2 MiB entry for a PFN mapping, and vm_flags are plain.
 * 6.12: the other way round.
 */
#ifndef MDEVD_COMPAT_H
#define MDEVD_COMPAT_H

#include <linux/eventfd.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/vfio.h>

#ifdef MDEVD_HAVE_PFN_T
#include <linux/pfn_t.h>
#endif

#ifdef MDEVD_HAVE_VM_FLAGS_SET
#define mdevd_vm_flags_set vm_flags_set
#else
static inline void mdevd_vm_flags_set(struct vm_area_struct *vma,
				      vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

#ifdef MDEVD_HAVE_EVENTFD_PLAIN
#define mdevd_eventfd_signal eventfd_signal
#else
static inline void mdevd_eventfd_signal(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx, 1);
}
#endif

/* 6.1 leaves the memory of a vfio_device to its driver, later ones do not. */
static inline void mdevd_vfio_free(struct vfio_device *vdev)
{
#ifdef MDEVD_HAVE_VFIO_FREE
	vfio_free_device(vdev);
#endif
}

#if defined(MDEVD_HAVE_DETACH_IOAS)
#define MDEVD_IOMMUFD_OPS \
	.bind_iommufd = vfio_iommufd_emulated_bind, \
	.unbind_iommufd = vfio_iommufd_emulated_unbind, \
	.attach_ioas = vfio_iommufd_emulated_attach_ioas, \
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#elif defined(MDEVD_HAVE_IOMMUFD)
#define MDEVD_IOMMUFD_OPS \
	.bind_iommufd = vfio_iommufd_emulated_bind, \
	.unbind_iommufd = vfio_iommufd_emulated_unbind, \
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
#else
#define MDEVD_IOMMUFD_OPS
#endif

/*
 * Is there interrupt remapping between a device and the CPUs?  6.1 asks the
 * IOMMU, later ones the interrupt domain of everything in the group.
 */
static inline bool mdevd_msi_isolated(struct device *dev,
				      struct iommu_group *group)
{
#ifdef MDEVD_HAVE_ISOLATED_MSI
	return iommu_group_has_isolated_msi(group);
#else
	return device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
#endif
}

/* A fault comes with mmap_lock or, where there is one, with the VMA lock. */
#ifdef MDEVD_HAVE_FAULT_LOCK
#define mdevd_release_fault_lock release_fault_lock
#else
static inline void mdevd_release_fault_lock(struct vm_fault *vmf)
{
	mmap_read_unlock(vmf->vma->vm_mm);
}
#endif

/* A 2 MiB entry for a PFN: needs pmd_special(), which came with 6.12. */
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
#define MDEVD_HUGE 1
#else
#define MDEVD_HUGE 0
#endif

#ifdef MDEVD_HAVE_PFN_T
static inline pfn_t mdevd_pfn(unsigned long pfn)
{
	return __pfn_to_pfn_t(pfn, PFN_DEV);
}
#else
static inline unsigned long mdevd_pfn(unsigned long pfn)
{
	return pfn;
}
#endif

#ifdef MDEVD_HAVE_PTEP_GET
#define mdevd_ptep_get ptep_get
#define mdevd_pmdp_get pmdp_get
#else
static inline pte_t mdevd_ptep_get(pte_t *ptep)
{
	return *ptep;
}

static inline pmd_t mdevd_pmdp_get(pmd_t *pmdp)
{
	return READ_ONCE(*pmdp);
}
#endif

#endif /* MDEVD_COMPAT_H */
