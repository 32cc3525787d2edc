// SPDX-License-Identifier: GPL-2.0-only
/*
 * The register page of a device: what its guest reads and writes, and the
 * queue of jobs behind it.  A job is checked when it is taken, with values
 * that the guest cannot change afterwards.
 */
#include "edu_pure.h"

/**
 * edu_regs_reset - registers as after a reset; jobs are forgotten
 * @regs: the registers, @size known
 */
void edu_regs_reset(struct edu_regs *regs)
{
	u64 size = regs->size;

	memset(regs, 0, sizeof(*regs));
	regs->size = size;
}

static u32 read_word(const struct edu_regs *regs, u64 offset)
{
	switch (offset) {
	case EDU_REG_ID:
		return EDU_ID;
	case EDU_REG_VERSION:
		return EDU_VERSION;
	case EDU_REG_SIZE_LOW:
		return (u32)regs->size;
	case EDU_REG_SIZE_HIGH:
		return regs->size >> 32;
	case EDU_REG_JOB_MAX:
		return EDU_JOB_MAX;
	case EDU_REG_QUEUE_MAX:
		return EDU_QUEUE_MAX;
	case EDU_REG_WINDOWS:
		return EDU_WINDOWS;
	case EDU_REG_PENDING:
		return regs->n;
	case EDU_REG_RAM_LOW:
		return (u32)regs->ram;
	case EDU_REG_RAM_HIGH:
		return regs->ram >> 32;
	case EDU_REG_CARD_LOW:
		return (u32)regs->card;
	case EDU_REG_CARD_HIGH:
		return regs->card >> 32;
	case EDU_REG_LENGTH:
		return regs->length;
	case EDU_REG_ERROR:
		return regs->error;
	case EDU_REG_SUBMITTED:
		return regs->submitted;
	case EDU_REG_COMPLETED:
		return regs->completed;
	case EDU_REG_FAILED:
		return regs->failed;
	case EDU_REG_RESULT:
		return regs->result;
	case EDU_REG_IRQ:
		return regs->irq;
	default:
		break;
	}

	if (offset >= EDU_REG_WINDOW &&
	    offset < EDU_REG_WINDOW + 4 * EDU_WINDOWS)
		return regs->window[(offset - EDU_REG_WINDOW) / 4];
	return 0;
}

/**
 * edu_regs_read - a guest reads
 * @regs: the registers
 * @offset: in the page, naturally aligned; anything
 * @width: 1, 2, 4 or 8
 *
 * Return: the value; what is no register reads as zero.
 */
u64 edu_regs_read(const struct edu_regs *regs, u64 offset, u32 width)
{
	u64 word = read_word(regs, offset & ~3ULL);

	if (width == 8)
		return word | (u64)read_word(regs, offset + 4) << 32;
	return word >> (8 * (offset & 3));
}

static u32 check_job(const struct edu_regs *regs, u32 command)
{
	if (regs->stopped)
		return EDU_ERROR_STOPPED;
	if (command != EDU_TO_CARD && command != EDU_FROM_CARD)
		return EDU_ERROR_COMMAND;
	if (!regs->length || regs->length > EDU_JOB_MAX)
		return EDU_ERROR_LENGTH;
	if (regs->card > regs->size || regs->length > regs->size - regs->card ||
	    regs->ram + (regs->length - 1) < regs->ram)
		return EDU_ERROR_RANGE;
	if (regs->n >= EDU_QUEUE_MAX)
		return EDU_ERROR_FULL;
	return EDU_ERROR_NONE;
}

static u32 take_job(struct edu_regs *regs, u32 command)
{
	struct edu_job *job;

	regs->error = check_job(regs, command);
	if (regs->error)
		return 0;

	job = &regs->jobs[(regs->first + regs->n) % EDU_QUEUE_MAX];
	job->ram = regs->ram;
	job->card = regs->card;
	job->length = regs->length;
	job->command = command;
	regs->n++;
	regs->submitted++;
	return EDU_ACTION_JOB;
}

static u32 set_window(struct edu_regs *regs, u32 n, u32 page)
{
	regs->error = page < regs->size / EDU_PAGE ? EDU_ERROR_NONE :
						     EDU_ERROR_RANGE;
	if (regs->error)
		return 0;

	regs->window[n] = page;
	return EDU_ACTION_WINDOW(n);
}

static void set_half(u64 *to, bool high, u32 value)
{
	if (high)
		*to = (*to & 0xffffffffULL) | (u64)value << 32;
	else
		*to = (*to & ~0xffffffffULL) | value;
}

static u32 write_word(struct edu_regs *regs, u64 offset, u32 value)
{
	switch (offset) {
	case EDU_REG_RAM_LOW:
	case EDU_REG_RAM_HIGH:
		set_half(&regs->ram, offset == EDU_REG_RAM_HIGH, value);
		return 0;
	case EDU_REG_CARD_LOW:
	case EDU_REG_CARD_HIGH:
		set_half(&regs->card, offset == EDU_REG_CARD_HIGH, value);
		return 0;
	case EDU_REG_LENGTH:
		regs->length = value;
		return 0;
	case EDU_REG_COMMAND:
		return take_job(regs, value);
	case EDU_REG_IRQ:
		regs->irq &= ~value;
		return 0;
	default:
		break;
	}

	if (offset >= EDU_REG_WINDOW &&
	    offset < EDU_REG_WINDOW + 4 * EDU_WINDOWS)
		return set_window(regs, (offset - EDU_REG_WINDOW) / 4, value);
	return 0;
}

/**
 * edu_regs_write - a guest writes
 * @regs: the registers
 * @offset: in the page, naturally aligned; anything
 * @width: 1, 2, 4 or 8; 1 and 2 are ignored
 * @value: the value
 *
 * Return: EDU_ACTION_*: what is to be done about it.
 */
u32 edu_regs_write(struct edu_regs *regs, u64 offset, u32 width, u64 value)
{
	u32 actions;

	if (width < 4)
		return 0;

	actions = write_word(regs, offset, (u32)value);
	if (width == 8)
		actions |= write_word(regs, offset + 4, value >> 32);
	return actions;
}

/**
 * edu_regs_job - the job that is next
 * @regs: the registers
 *
 * Return: the oldest job, or NULL.  It stays in the queue.
 */
const struct edu_job *edu_regs_job(const struct edu_regs *regs)
{
	return regs->n ? &regs->jobs[regs->first] : NULL;
}

/**
 * edu_regs_done - the oldest job is done
 * @regs: the registers; there is a job
 * @result: enum edu_result
 */
void edu_regs_done(struct edu_regs *regs, u32 result)
{
	regs->first = (regs->first + 1) % EDU_QUEUE_MAX;
	regs->n--;
	regs->completed++;
	regs->failed += result != EDU_RESULT_DONE;
	regs->result = result;
	regs->irq |= EDU_IRQ_DONE;
}
