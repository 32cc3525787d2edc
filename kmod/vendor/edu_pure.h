/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of mdevd_edu.ko that only compute: the register page of a device
 * with its queue of jobs, and the steps of a job on the engine.  No locks and
 * no kernel calls: the same files are built in userspace under sanitizers.
 */
#ifndef EDU_PURE_H
#define EDU_PURE_H

#include "../mdevd_pure.h"

#define EDU_PAGE	4096

/* ---- the device, as its guest sees it: kmod/vendor/README.md ---- */

#define EDU_BAR		0	/* registers, then the windows */
#define EDU_WINDOWS	4	/* one page each, after the registers */
#define EDU_JOB_MAX	2048	/* bytes of a job; the least is 1 */
#define EDU_QUEUE_MAX	16	/* jobs accepted and not done */
#define EDU_ID		0x5544454dU	/* "MEDU" */
#define EDU_VERSION	1

/* Registers of 32 bits; an access of 64 is one to each half, low first. */
enum edu_reg {
	EDU_REG_ID		= 0x00,	/* EDU_ID */
	EDU_REG_VERSION		= 0x04,
	EDU_REG_SIZE_LOW	= 0x08,	/* bytes of the device's memory */
	EDU_REG_SIZE_HIGH	= 0x0c,
	EDU_REG_JOB_MAX		= 0x10,
	EDU_REG_QUEUE_MAX	= 0x14,
	EDU_REG_WINDOWS		= 0x18,
	EDU_REG_PENDING		= 0x1c,	/* jobs accepted and not done */
	EDU_REG_RAM_LOW		= 0x20,	/* rw: guest physical address */
	EDU_REG_RAM_HIGH	= 0x24,
	EDU_REG_CARD_LOW	= 0x28,	/* rw: offset in the device's memory */
	EDU_REG_CARD_HIGH	= 0x2c,
	EDU_REG_LENGTH		= 0x30,	/* rw: bytes */
	EDU_REG_COMMAND		= 0x34,	/* wo: enum edu_command, takes a job */
	EDU_REG_ERROR		= 0x38,	/* of the last command or window */
	EDU_REG_SUBMITTED	= 0x3c,	/* jobs accepted so far */
	EDU_REG_COMPLETED	= 0x40,	/* of these done, well or not */
	EDU_REG_FAILED		= 0x44,	/* of these not well */
	EDU_REG_RESULT		= 0x48,	/* enum edu_result of the last done */
	EDU_REG_IRQ		= 0x4c,	/* rw1c: bit 0: a job is done */
	EDU_REG_WINDOW		= 0x80,	/* rw, EDU_WINDOWS of them: page number */
};

enum edu_command {
	EDU_TO_CARD	= 1,
	EDU_FROM_CARD	= 2,
};

enum edu_error {
	EDU_ERROR_NONE		= 0,
	EDU_ERROR_COMMAND	= 1,	/* no such command */
	EDU_ERROR_LENGTH	= 2,	/* not 1..EDU_JOB_MAX */
	EDU_ERROR_RANGE		= 3,	/* not inside memory, or wraps */
	EDU_ERROR_FULL		= 4,	/* EDU_QUEUE_MAX are pending */
	EDU_ERROR_STOPPED	= 5,	/* the device is being reset */
};

enum edu_result {
	EDU_RESULT_DONE		= 0,
	EDU_RESULT_MEMORY	= 1,	/* RAM that is no RAM, or was unmapped */
	EDU_RESULT_ENGINE	= 2,	/* the engine failed or has gone */
};

#define EDU_IRQ_DONE	0x1

/* What a write to a register asks for besides. */
#define EDU_ACTION_JOB		0x1
#define EDU_ACTION_WINDOW(n)	(0x100U << (n))

/**
 * struct edu_job - bytes to bring from one place to the other
 * @ram: guest physical address
 * @card: offset in the device's memory; all of it is inside
 * @length: bytes, 1..EDU_JOB_MAX
 * @command: enum edu_command
 */
struct edu_job {
	u64 ram;
	u64 card;
	u32 length;
	u32 command;
};

/**
 * struct edu_regs - registers and queue of a device
 * @size: bytes of its memory, a multiple of EDU_PAGE; survives a reset
 * @stopped: takes no job
 * @ram: register
 * @card: register
 * @length: register
 * @error: register
 * @submitted: register
 * @completed: register
 * @failed: register
 * @result: register
 * @irq: register
 * @window: registers
 * @first: index of the oldest job
 * @n: how many jobs
 * @jobs: a ring
 */
struct edu_regs {
	u64 size;
	bool stopped;
	u64 ram;
	u64 card;
	u32 length;
	u32 error;
	u32 submitted;
	u32 completed;
	u32 failed;
	u32 result;
	u32 irq;
	u32 window[EDU_WINDOWS];
	u32 first;
	u32 n;
	struct edu_job jobs[EDU_QUEUE_MAX];
};

void edu_regs_reset(struct edu_regs *regs);
u64 edu_regs_read(const struct edu_regs *regs, u64 offset, u32 width);
u32 edu_regs_write(struct edu_regs *regs, u64 offset, u32 width, u64 value);
const struct edu_job *edu_regs_job(const struct edu_regs *regs);
void edu_regs_done(struct edu_regs *regs, u32 result);

/* ---- the engine: QEMU's docs/specs/edu.txt ---- */

#define EDU_BUFFER	0x40000	/* the engine's own memory, as it names it */
#define EDU_DMA_RUN	0x1
#define EDU_DMA_OUT	0x2	/* from the engine's memory */
#define EDU_DMA_IRQ	0x4

#define EDU_PIECES_MAX	2	/* a job is shorter than a page */
#define EDU_STEPS_MAX	4

/**
 * struct edu_piece - a piece of memory as the engine addresses it
 * @at: bus address
 * @length: bytes, not zero
 */
struct edu_piece {
	u64 at;
	u32 length;
};

/**
 * struct edu_step - one transfer of the engine
 * @from: what it reads
 * @to: what it writes
 * @length: bytes
 * @command: EDU_DMA_*
 */
struct edu_step {
	u64 from;
	u64 to;
	u32 length;
	u32 command;
};

u32 edu_plan(u32 command, u64 bounce, u64 zeros, const struct edu_piece *card,
	     u32 n, struct edu_step *steps);

#endif /* EDU_PURE_H */
