// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps of a job.  The engine moves bytes only between its own buffer and
 * the bus, so a job is: in, out, and zeros over what it left in the buffer.
 */
#include "edu_pure.h"

static u32 total(const struct edu_piece *card, u32 n)
{
	u32 i, length = 0;

	for (i = 0; i < n; i++)
		length += card[i].length;
	return length;
}

static void step_in(struct edu_step *step, u64 from, u32 at, u32 length)
{
	step->from = from;
	step->to = EDU_BUFFER + at;
	step->length = length;
	step->command = EDU_DMA_RUN | EDU_DMA_IRQ;
}

static void step_out(struct edu_step *step, u32 at, u64 to, u32 length)
{
	step->from = EDU_BUFFER + at;
	step->to = to;
	step->length = length;
	step->command = EDU_DMA_RUN | EDU_DMA_IRQ | EDU_DMA_OUT;
}

/**
 * edu_plan - which transfers make up a job
 * @command: enum edu_command
 * @bounce: bus address of the bounce buffer
 * @zeros: bus address of EDU_JOB_MAX zeros
 * @card: the pieces of the card's memory
 * @n: how many, 1..EDU_PIECES_MAX; together at most EDU_JOB_MAX bytes
 * @steps: filled in; room for EDU_STEPS_MAX
 *
 * The last step wipes the engine and is to be made even when one before it
 * has failed.
 *
 * Return: how many steps.
 */
u32 edu_plan(u32 command, u64 bounce, u64 zeros, const struct edu_piece *card,
	     u32 n, struct edu_step *steps)
{
	u32 length = total(card, n), at = 0, made = 0, i;

	if (command == EDU_TO_CARD)
		step_in(&steps[made++], bounce, 0, length);
	for (i = 0; i < n; i++) {
		if (command == EDU_TO_CARD)
			step_out(&steps[made++], at, card[i].at,
				 card[i].length);
		else
			step_in(&steps[made++], card[i].at, at,
				card[i].length);
		at += card[i].length;
	}
	if (command != EDU_TO_CARD)
		step_out(&steps[made++], 0, bounce, length);
	step_in(&steps[made++], zeros, 0, length);

	return made;
}
