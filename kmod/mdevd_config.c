// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configure and unconfigure: pools and types come from user space, are
 * checked whole, and only then does mdev core learn of the parent.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mdevd.h"

static void config_free(struct mdevd_config *config)
{
	u32 i;

	if (!config)
		return;

	for (i = 0; config->types && i < config->n_types; i++)
		mdevd_trap_unmap(&config->types[i]);
	kvfree(config->pools);
	kvfree(config->types);
	kvfree(config->mtypes);
	kfree(config);
}

/**
 * mdevd_copy_array - copy an array of versioned structs from user space
 * @ret: the array, to be freed with kvfree()
 * @addr: its address
 * @n: how many elements the caller says there are
 * @max: how many there may be
 * @size: size of one element as the caller knows it
 * @ksize: as we know it
 * @min: as the first version of the interface knew it
 *
 * Return: 0; -EINVAL, -E2BIG, -EFAULT, -ENOMEM.
 */
int mdevd_copy_array(void **ret, u64 addr, u32 n, u32 max, u32 size,
		     size_t ksize, size_t min)
{
	char *array;
	int r;
	u32 i;

	if (!n || n > max || size < min)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;

	array = kvcalloc(n, ksize, GFP_KERNEL_ACCOUNT);
	if (!array)
		return -ENOMEM;

	for (i = 0; i < n; i++) {
		r = copy_struct_from_user(array + i * ksize, ksize,
					  u64_to_user_ptr(addr) +
					  (size_t)i * size, size);
		if (r) {
			kvfree(array);
			return r;
		}
	}

	*ret = array;
	return 0;
}

/* Ids that the configuration leaves out are the parent's own. */
static void fill_ids(struct mdevd_type *t, const struct pci_dev *pdev)
{
	if (!t->vendor && !t->device) {
		t->vendor = pdev->vendor;
		t->device = pdev->device;
	}
	if (!t->subvendor && !t->subdevice) {
		t->subvendor = pdev->subsystem_vendor;
		t->subdevice = pdev->subsystem_device;
	}
	if (!t->class)
		t->class = pdev->class;
}

static int config_types(struct mdevd_config *config,
			const struct mdevd_type *types)
{
	u32 i;

	config->types = kvcalloc(config->n_types, sizeof(*config->types),
				 GFP_KERNEL_ACCOUNT);
	config->mtypes = kvcalloc(config->n_types, sizeof(*config->mtypes),
				  GFP_KERNEL_ACCOUNT);
	if (!config->types || !config->mtypes)
		return -ENOMEM;

	for (i = 0; i < config->n_types; i++) {
		struct mdevd_type_entry *e = &config->types[i];

		e->conf = types[i];
		e->mtype.sysfs_name = e->conf.name;
		e->mtype.pretty_name = e->conf.label[0] ? e->conf.label :
							  e->conf.name;
		config->mtypes[i] = &e->mtype;
	}

	return 0;
}

static struct mdevd_config *config_new(const struct mdevd_configure *arg)
{
	struct mdevd_config *config;
	struct mdevd_type *types;
	void *array;
	int ret;

	config = kzalloc(sizeof(*config), GFP_KERNEL_ACCOUNT);
	if (!config)
		return ERR_PTR(-ENOMEM);

	config->unsafe = arg->flags & MDEVD_CONFIGURE_UNSAFE_DMA;
	strscpy(config->vendor, arg->vendor, sizeof(config->vendor));
	config->n_pools = arg->n_pools;
	config->n_types = arg->n_types;

	ret = mdevd_copy_array(&array, arg->pools, arg->n_pools,
			       MDEVD_MAX_POOLS, arg->pool_size,
			       sizeof(struct mdevd_pool),
			       sizeof(struct mdevd_pool));
	if (ret)
		goto err_free;
	config->pools = array;

	ret = mdevd_copy_array(&array, arg->types, arg->n_types,
			       MDEVD_MAX_TYPES, arg->type_size,
			       sizeof(struct mdevd_type),
			       offsetofend(struct mdevd_type, bars));
	if (ret)
		goto err_free;
	types = array;

	ret = config_types(config, types);
	kvfree(types);
	if (ret)
		goto err_free;

	return config;

err_free:
	config_free(config);
	return ERR_PTR(ret);
}

/* Says in the log what is wrong; a name may be any bytes. */
static int refuse(const struct mdevd_parent *parent, const char *what,
		  const char *name, int error)
{
	dev_info_ratelimited(&parent->pdev->dev, "%s \"%*pEp\" is refused: %d\n",
			     what, (int)strnlen(name, MDEVD_NAME_LEN), name,
			     error);
	return error;
}

static int check_pools(const struct mdevd_parent *parent,
		       const struct mdevd_config *config)
{
	int ret;
	u32 i;

	for (i = 0; i < config->n_pools; i++) {
		ret = mdevd_check_pools(&parent->bounds, config->pools, i + 1);
		if (ret)
			return refuse(parent, "pool", config->pools[i].name,
				      ret);
	}

	return 0;
}

static int check_type(const struct mdevd_parent *parent,
		      const struct mdevd_config *config, u32 i)
{
	const struct mdevd_type *t = &config->types[i].conf;
	int ret;
	u32 j;

	ret = mdevd_check_types(&parent->bounds, config->pools,
				config->n_pools, t, 1);
	if (ret)
		return ret;
	for (j = 0; j < i; j++)
		if (!strcmp(config->types[j].conf.name, t->name))
			return -EINVAL;

	return mdevd_vendor_check(parent, t);
}

static int config_check(const struct mdevd_parent *parent,
			const struct mdevd_config *config)
{
	int ret;
	u32 i;

	ret = check_pools(parent, config);
	for (i = 0; !ret && i < config->n_types; i++) {
		ret = check_type(parent, config, i);
		if (ret)
			refuse(parent, "type", config->types[i].conf.name, ret);
	}

	return ret;
}

/* What the hardware has to give before mdev core learns of the parent. */
static int config_prepare(struct mdevd_parent *parent,
			  struct mdevd_config *config)
{
	int ret = 0;
	u32 i;

	for (i = 0; !ret && i < config->n_types; i++) {
		fill_ids(&config->types[i].conf, parent->pdev);
		ret = mdevd_trap_map(parent, &config->types[i]);
	}

	return ret ?: mdevd_vectors_enable(parent, config);
}

/* Finds a parent and takes a reference that outlives mdevd_lock. */
static struct mdevd_parent *parent_get(const char *name)
{
	struct mdevd_parent *parent;

	mutex_lock(&mdevd_lock);
	parent = mdevd_parent_find(name);
	if (parent && !parent->removing)
		kref_get(&parent->ref);
	else
		parent = NULL;
	mutex_unlock(&mdevd_lock);

	return parent;
}

/* The caller holds config_lock, so this cannot change below it. */
static int state_check(struct mdevd_parent *parent, bool configured)
{
	int ret = 0;

	mutex_lock(&mdevd_lock);
	if (parent->removing || parent->cut)
		ret = -ENODEV;
	else if (configured && !parent->config)
		ret = -ENOENT;
	else if (!configured && parent->config)
		ret = -EEXIST;
	mutex_unlock(&mdevd_lock);

	return ret;
}

static void state_set(struct mdevd_parent *parent, u32 state,
		      struct mdevd_config *config, u32 event)
{
	mutex_lock(&mdevd_lock);
	parent->config = config;
	/* it may have begun to go, or failed, since state_check() */
	parent->state = parent->removing || parent->cut ? MDEVD_PARENT_CLOSING :
							  state;
	mdevd_changed();
	if (event)
		mdevd_event(event, parent, NULL);
	mutex_unlock(&mdevd_lock);
}

static int configure_attached(struct mdevd_parent *parent,
			      struct mdevd_config *config)
{
	int ret;

	ret = config_check(parent, config);
	if (!ret)
		ret = config_prepare(parent, config);
	if (ret)
		return ret;

	/* Before registering: a create may come at once. */
	state_set(parent, MDEVD_PARENT_CONFIGURED, config, 0);
	ret = mdev_register_parent(&parent->mdev, &parent->pdev->dev,
				   &mdevd_mdev_driver, config->mtypes,
				   config->n_types);
	if (ret) {
		state_set(parent, MDEVD_PARENT_BOUND, NULL, 0);
		mdevd_claims_drop(parent);
		mdevd_vectors_disable(parent);
		return ret;
	}

	mutex_lock(&mdevd_lock);
	mdevd_event(MDEVD_EVENT_PARENT_CONFIGURED, parent, NULL);
	mutex_unlock(&mdevd_lock);
	return 0;
}

static int configure_locked(struct mdevd_parent *parent,
			    struct mdevd_config *config)
{
	int ret;

	ret = state_check(parent, false);
	if (ret)
		return ret;

	ret = mdevd_vendor_attach(parent, config->vendor);
	if (ret)
		return ret;

	ret = configure_attached(parent, config);
	if (ret)
		mdevd_vendor_detach(parent);
	return ret;
}

/**
 * mdevd_configure - MDEVD_CONFIGURE
 * @arg: as copied from the caller
 *
 * Return: 0 or what the interface says.
 */
int mdevd_configure(const struct mdevd_configure *arg)
{
	struct mdevd_parent *parent;
	struct mdevd_config *config;
	int ret;

	if (!mdevd_check_string(arg->parent, sizeof(arg->parent)))
		return -EINVAL;
	if (arg->vendor[0] &&
	    !mdevd_check_name(arg->vendor, sizeof(arg->vendor)))
		return -EINVAL;
	/* a vendor's parent never masters the bus */
	if (arg->vendor[0] && arg->flags & MDEVD_CONFIGURE_UNSAFE_DMA)
		return -EINVAL;

	config = config_new(arg);
	if (IS_ERR(config))
		return PTR_ERR(config);

	parent = parent_get(arg->parent);
	if (!parent) {
		config_free(config);
		return -ENODEV;
	}

	ret = mutex_lock_interruptible(&parent->config_lock);
	if (!ret) {
		ret = configure_locked(parent, config);
		mutex_unlock(&parent->config_lock);
	}
	if (ret)
		config_free(config);

	mdevd_parent_put(parent);
	return ret;
}

/**
 * mdevd_config_drop - forget the configuration of a parent
 * @parent: mdev core does not know it any more; its config_lock is held
 */
void mdevd_config_drop(struct mdevd_parent *parent)
{
	struct mdevd_config *config = parent->config;

	lockdep_assert_held(&parent->config_lock);

	state_set(parent, MDEVD_PARENT_BOUND, NULL,
		  MDEVD_EVENT_PARENT_UNCONFIGURED);
	mdevd_vectors_disable(parent);
	config_free(config);
}

static int unconfigure_locked(struct mdevd_parent *parent)
{
	int ret;

	ret = state_check(parent, true);
	if (ret)
		return ret;

	/* From here on a create fails, so there is nothing to remove below. */
	mutex_lock(&mdevd_lock);
	if (list_empty(&parent->claims)) {
		parent->state = MDEVD_PARENT_CLOSING;
		mdevd_requests_cancel(parent);
		mdevd_changed();
	} else {
		ret = -EBUSY;
	}
	mutex_unlock(&mdevd_lock);
	if (ret)
		return ret;

	mdev_unregister_parent(&parent->mdev);
	mdevd_config_drop(parent);
	mdevd_vendor_detach(parent);
	return 0;
}

/**
 * mdevd_unconfigure - MDEVD_UNCONFIGURE
 * @arg: as copied from the caller
 *
 * Return: 0 or what the interface says.
 */
int mdevd_unconfigure(const struct mdevd_unconfigure *arg)
{
	struct mdevd_parent *parent;
	int ret;

	if (!mdevd_check_string(arg->parent, sizeof(arg->parent)))
		return -EINVAL;

	parent = parent_get(arg->parent);
	if (!parent)
		return -ENODEV;

	ret = mutex_lock_interruptible(&parent->config_lock);
	if (!ret) {
		ret = unconfigure_locked(parent);
		mutex_unlock(&parent->config_lock);
	}

	mdevd_parent_put(parent);
	return ret;
}

/**
 * mdevd_set_available - MDEVD_SET_AVAILABLE
 * @arg: as copied from the caller
 *
 * Return: 0 or what the interface says.
 */
int mdevd_set_available(const struct mdevd_set_available *arg)
{
	struct mdevd_type_entry *entry = NULL;
	struct mdevd_parent *parent;
	int ret = 0;

	if (arg->__reserved ||
	    !mdevd_check_string(arg->parent, sizeof(arg->parent)) ||
	    !mdevd_check_name(arg->type, sizeof(arg->type)))
		return -EINVAL;

	mutex_lock(&mdevd_lock);
	parent = mdevd_parent_find(arg->parent);
	if (!parent || parent->state == MDEVD_PARENT_CLOSING)
		ret = -ENODEV;
	else if (parent->config)
		entry = mdevd_parent_type(parent, arg->type);
	if (entry)
		WRITE_ONCE(entry->available, arg->available);
	else
		ret = ret ?: -ENOENT;
	mutex_unlock(&mdevd_lock);

	return ret;
}
