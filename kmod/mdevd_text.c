// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text from user space: names and labels.
 */
#include "mdevd_pure.h"

/**
 * mdevd_check_string - is a string terminated inside its array
 * @s: the array
 * @room: its size
 *
 * Return: true if it is.
 */
bool mdevd_check_string(const char *s, size_t room)
{
	return memchr(s, '\0', room);
}

/**
 * mdevd_check_name - is this the name of a pool or type
 * @s: the array
 * @room: its size
 *
 * Return: true if it is one or more of [A-Za-z0-9_.+-].
 */
bool mdevd_check_name(const char *s, size_t room)
{
	size_t i;

	if (!mdevd_check_string(s, room) || !s[0])
		return false;

	for (i = 0; s[i]; i++) {
		char c = s[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (c >= '0' && c <= '9') || c == '_' || c == '.' ||
		      c == '+' || c == '-'))
			return false;
	}

	return true;
}

/**
 * mdevd_check_label - is this one line of text
 * @s: the array
 * @room: its size
 *
 * Return: true if it is terminated and has no control characters.
 */
bool mdevd_check_label(const char *s, size_t room)
{
	size_t i;

	if (!mdevd_check_string(s, room))
		return false;

	for (i = 0; s[i]; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;

	return true;
}
